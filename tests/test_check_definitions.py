"""The seed of the checks: how it is read, what the linter finds, and the page made of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from orchestration.check_docs import PAGE
from orchestration.measures.check_pages import check_page
from orchestration.measures.judges.registry import FAMILY_CHECK, JUDGES, REQUIRED
from orchestration.measures.thresholds import lint_thresholds
from orchestration.rules import RuleFileError, read_guards, read_thresholds
from tests.judged import DEFINITIONS, RULES_DIR

if TYPE_CHECKING:
    from pathlib import Path

SEED = RULES_DIR / "quality_thresholds.csv"

GUARDS = read_guards(RULES_DIR)


def found(check_id: str, **fields: Any) -> list[tuple[str, str]]:
    definitions = DEFINITIONS | {check_id: replace(DEFINITIONS[check_id], **fields)}
    return [(one.check, one.subject) for one in lint_thresholds(definitions)]


def test_shipped_checks_lint_clean():
    assert lint_thresholds(DEFINITIONS) == []


def test_every_check_has_a_row_and_a_judge():
    assert set(DEFINITIONS) == {*JUDGES, FAMILY_CHECK}
    assert len(DEFINITIONS) == 35


def test_the_page_is_made_of_the_seed():
    assert PAGE.read_text(encoding="utf-8") == check_page(DEFINITIONS, GUARDS)


def test_the_page_holds_every_part_of_every_check():
    page = check_page(DEFINITIONS, GUARDS)
    for one in DEFINITIONS.values():
        for part in (one.check, one.title, one.measures, one.why, one.remedy):
            assert part in page
    for guard in GUARDS.values():
        for part in (guard.check_name, guard.title, guard.measures, guard.why, guard.remedy):
            assert part in page


def test_required_checks_hold_the_publication():
    required = {key for key, one in DEFINITIONS.items() if one.is_required}
    assert required == REQUIRED
    assert {DEFINITIONS[key].blocks for key in required} == {"publication"}
    assert all(DEFINITIONS[key].error is not None for key in required)


def test_missing_and_unknown_checks_are_found():
    rest = {key: one for key, one in DEFINITIONS.items() if key != "C30"}
    rest["C99"] = replace(DEFINITIONS["C30"], check_id="C99", parameters={})
    findings = lint_thresholds(rest)
    assert [(one.check, one.subject) for one in findings] == [
        ("CHECK_MISSING", "C30"),
        ("CHECK_UNKNOWN", "C99"),
    ]


@pytest.mark.parametrize(
    ("check_id", "fields", "expected"),
    [
        ("C30", {"warn": 0.6}, [("WARN_BEYOND_ERROR", "C30.warn")]),
        ("C40", {"warn": 20.0}, [("WARN_BEYOND_ERROR", "C40.warn")]),
        ("C40", {"error": 100.0}, []),
        ("C02", {"warn_effect": 0.4}, [("WARN_BEYOND_ERROR", "C02.warn_effect")]),
        ("C20", {"p_warn": 0.0001}, [("WARN_BEYOND_ERROR", "C20.p_warn")]),
        ("C20", {"p_error": 1.5, "p_warn": None}, [("BAD_LEVEL", "C20.p_error")]),
        ("C10", {"min_current": -1}, [("BAD_LIMIT", "C10.min_current")]),
        ("C10", {"parameters": {}}, [("PARAMETER_MISSING", "C10.alpha")]),
        ("C24", {"parameters": {"alpha": 1.0}}, [("PARAMETER_UNKNOWN", "C24.alpha")]),
        ("C24", {"is_required": False}, [("NOT_REQUIRED", "C24.is_required")]),
        ("C24", {"blocks": "none"}, [("REQUIRED_NOT_BLOCKING", "C24.blocks")]),
        ("C24", {"error": None}, [("REQUIRED_WITHOUT_ERROR", "C24.error")]),
        ("C30", {"why": "tbd"}, [("MISSING_TEXT", "C30.why")]),
        ("C30", {"remedy": " "}, [("MISSING_TEXT", "C30.remedy")]),
        ("C30", {"blocks": "everything"}, [("BAD_CHOICE", "C30.blocks")]),
        ("C30", {"direction": "up"}, [("BAD_CHOICE", "C30.direction")]),
        ("C30", {"asset": "misc"}, [("BAD_CHOICE", "C30.asset")]),
        ("C30", {"check": "churn_1d"}, [("CHECK_TWICE", "churn_1d")]),
        ("C46", {"is_required": True}, [("REQUIRED_NOT_BLOCKING", "C46.blocks")]),
    ],
)
def test_linter(check_id, fields, expected):
    assert found(check_id, **fields) == expected


def seed_with(directory: Path, before: str, after: str) -> Path:
    text = SEED.read_text(encoding="utf-8")
    assert before in text
    (directory / SEED.name).write_text(text.replace(before, after, 1), encoding="utf-8")
    return directory


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("above,26,48", "above,x,48", "'x' is not a number or empty"),
        ("above,26,48", "above,nan,48", "'nan' is not a number or empty"),
        ("above,26,48", "above,inf,48", "'inf' is not a number or empty"),
        ("true,publication", "yes,publication", "'yes' is not true or false"),
        ("fewest_expected=10", "fewest_expected 10", "is not a list like alpha=0.001"),
        ("alpha=0.001", "alpha=1 alpha=2", "is not a list like alpha=0.001"),
        ("\nC02,", "\nC01,", "C01 stands there twice"),
        ("parameters,", "extras,", "column parameters is missing"),
    ],
)
def test_a_cell_that_cannot_be_read_is_named(tmp_path, before, after, reason):
    with pytest.raises(RuleFileError, match=reason):
        read_thresholds(seed_with(tmp_path, before, after))


def test_without_the_seed_nothing_is_judged(tmp_path):
    with pytest.raises(RuleFileError, match=r"quality_thresholds\.csv is missing"):
        read_thresholds(tmp_path)
