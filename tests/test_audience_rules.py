"""The linter of the activation rules finds each mistake, and nothing in the rules that ship."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orchestration.measures.audience_rules import audiences_in_force, lint_audiences
from orchestration.rules import RuleFileError, read_audiences, read_rules

if TYPE_CHECKING:
    from orchestration.measures.audience_tables import Audience, AudienceBook

FOLDER = Path(__file__).parents[1] / "seeds" / "rules"
BOOK = read_audiences(FOLDER)
RULES = read_rules(FOLDER)
PRESETS = sorted({row.preset for row in RULES.segments})


def found(book: AudienceBook, preset: str = "default") -> set[tuple[str, str]]:
    return {(one.check, one.subject) for one in lint_audiences(book, RULES, preset)}


def with_audience(audience: str, /, **changes: Any) -> AudienceBook:
    rows = tuple(
        replace(row, **changes) if row.audience == audience else row for row in BOOK.audiences
    )
    assert rows != BOOK.audiences
    return replace(BOOK, audiences=rows)


def named(name: str) -> Audience:
    (row,) = (row for row in BOOK.audiences if row.audience == name)
    return row


@pytest.mark.parametrize("preset", PRESETS)
def test_the_rules_that_ship_are_sound_with_every_map(preset: str) -> None:
    assert found(BOOK, preset) == set()
    assert audiences_in_force(BOOK, preset)


def test_audiences_of_another_map_are_not_in_force() -> None:
    names = {row.audience for row in audiences_in_force(BOOK, "rf_grid")}
    assert "onboarding" in names
    assert "vip_early_access" not in names


def test_audiences_come_by_priority() -> None:
    priorities = [row.priority for row in audiences_in_force(BOOK, "default")]
    assert priorities == sorted(priorities)


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"kind": "everybody"}, "BAD_KIND"),
        ({"within_days": 7}, "BAD_WITHIN_DAYS"),
        ({"kind": "entering"}, "BAD_WITHIN_DAYS"),
        ({"segments": "chapions"}, "UNKNOWN_SEGMENT"),
        ({"stages": "asleep"}, "UNKNOWN_STAGE"),
        ({"min_orders": 4, "max_orders": 3}, "BAD_RANGE"),
        ({"min_silence_days": -1}, "BAD_RANGE"),
        ({"segments": ""}, "EVERYBODY"),
        ({"archive_after_days": 0}, "BAD_RANGE"),
        ({"channel": "pigeon"}, "BAD_CHANNEL"),
        ({"channel": "sms"}, "WRONG_DESTINATION"),
        ({"destination": "nowhere"}, "UNKNOWN_DESTINATION"),
        ({"purpose": "surveys"}, "NO_CONSENT_RULE"),
    ],
)
def test_a_mistake_in_an_audience_is_found(changes: dict[str, Any], check: str) -> None:
    assert (check, "vip_early_access") in found(with_audience("vip_early_access", **changes))


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"objective_metric": "engagement"}, "objective_metric"),
        ({"objective_target": "more sales"}, "objective_target"),
        ({"objective_target": "+3 points"}, "objective_target"),
        ({"objective_target": "soon, within a month"}, "objective_target"),
        ({"objective": " "}, "objective_target"),
    ],
)
def test_an_objective_that_cannot_be_missed_is_vague(changes: dict[str, Any], part: str) -> None:
    assert ("VAGUE_OBJECTIVE", f"win_back.{part}") in found(with_audience("win_back", **changes))


@pytest.mark.parametrize("part", ["name", "description", "action", "owner"])
def test_an_audience_without_action_or_owner_is_refused(part: str) -> None:
    assert ("NOT_ACTIONABLE", f"win_back.{part}") in found(with_audience("win_back", **{part: " "}))


def test_a_name_is_one_that_dbt_and_destinations_take() -> None:
    assert ("BAD_NAME", "Win back") in found(with_audience("win_back", audience="Win back"))


def test_a_protected_attribute_needs_a_reason() -> None:
    book = with_audience("win_back", description="Women of one religion who have gone quiet.")
    wrong = ("PROTECTED_ATTRIBUTE", "win_back.religion")
    assert wrong in found(book)
    allowed = tuple(
        replace(row, allowed_reason="Holiday greetings that people asked for.")
        if row.attribute == "religion"
        else row
        for row in BOOK.protected_attributes
    )
    assert wrong not in found(replace(book, protected_attributes=allowed))


def test_a_word_that_only_holds_a_protected_one_is_none() -> None:
    book = with_audience("win_back", description="Customers who manage with an average package.")
    assert found(book) == set()


def test_two_audiences_with_one_action_are_one() -> None:
    book = with_audience("win_back", action=f"  {named('cross_sell').action.upper()}")
    assert ("SAME_ACTION", "cross_sell+win_back") in found(book)


def test_two_audiences_cannot_both_come_first() -> None:
    book = with_audience("win_back", priority=named("cross_sell").priority)
    assert ("SAME_PRIORITY", "cross_sell+win_back") in found(book)


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"kind": "fax"}, "BAD_KIND"),
        ({"normaliser": "one_for_all"}, "BAD_NORMALISER"),
        ({"normaliser": "none"}, "BAD_NORMALISER"),
        ({"channel": "fax"}, "BAD_CHANNEL"),
        ({"file_format": "xlsx"}, "BAD_FORMAT"),
        ({"minimum_size": 0}, "NO_FLOOR"),
        ({"max_removed_share": 0.0}, "NO_LIMIT"),
        ({"max_removed_rows": 0}, "NO_LIMIT"),
    ],
)
def test_a_mistake_in_a_destination_is_found(changes: dict[str, Any], check: str) -> None:
    rows = tuple(
        replace(row, **changes) if row.destination == "google_ads" else row
        for row in BOOK.destinations
    )
    assert (check, "destination google_ads") in found(replace(BOOK, destinations=rows))


def test_consent_may_only_be_waived_with_a_reason() -> None:
    first, *others = BOOK.consent_requirements
    waived = replace(first, requires="no_objection", reason="")
    where = f"consent_requirements {first.region} {first.purpose} {first.channel}"
    assert ("NO_REASON", where) in found(replace(BOOK, consent_requirements=(waived, *others)))
    twice = (first, first, *others)
    assert ("DUPLICATE", where) in found(replace(BOOK, consent_requirements=twice))


def test_holdouts_have_salts_of_their_own() -> None:
    first, second, *others = BOOK.holdouts
    book = replace(BOOK, holdouts=(first, replace(second, salt=first.salt), *others))
    assert ("SAME_SALT", f"holdouts {second.audience}") in found(book)
    book = replace(BOOK, holdouts=(replace(first, share=0.6), second, *others))
    assert ("BAD_HOLDOUT", f"holdouts {first.audience}") in found(book)
    book = replace(BOOK, holdouts=(first, replace(second, audience="nobody"), *others))
    assert ("UNKNOWN_AUDIENCE", "holdouts nobody") in found(book)


def test_a_cell_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in FOLDER.glob("*.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "contact_caps.csv"
    path.write_text(path.read_text().replace("email,7,4", "email,7,four"))
    with pytest.raises(RuleFileError, match=r"contact_caps.csv line 2, column max_contacts"):
        read_audiences(tmp_path)
