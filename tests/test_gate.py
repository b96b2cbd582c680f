"""The gate: what it lets through, everything that it refuses, and what a person may approve."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orchestration import gate
from orchestration.check_tables import TABLES, read_rows
from orchestration.config import parse_config
from orchestration.gate import Decision, GateError, approve
from orchestration.measures.checks import STATUSES, Definition, Result, Status
from orchestration.overlay import OVERLAYS_DIR, SEEDS_DIR, rules_dir
from orchestration.provenance import OriginError, code_hash, mark_built
from orchestration.settings import Settings
from orchestration.warehouse import (
    EngineError,
    Session,
    attach,
    open_database,
    open_scratch,
    transaction,
)
from tests.small_warehouse import (
    CODE,
    DAY,
    DEFINITIONS,
    DRIFT,
    GOOD,
    KEYS,
    VOLUME,
    judge,
    judged_warehouse,
    make_warehouse,
    record,
    result,
)

NEXT_DAY = DAY + timedelta(days=1)


def decide(warehouse: Path, requested: date = DAY, code: str = CODE) -> Decision:
    """Decide as publication does: attached, read-only, in one transaction."""
    with open_scratch() as session:
        attach(session, warehouse, "warehouse", read_only=True)
        with transaction(session):
            return gate.decide(session, "warehouse", requested, code)


def change(warehouse: Path, *statements: str) -> None:
    with open_database(warehouse, read_only=False) as session:
        for statement in statements:
            session.run(statement)


def approve_volume(warehouse: Path, until: date = DAY, check: str = "volume_weekday") -> None:
    with open_database(warehouse, read_only=False) as session:
        approve(session, check, DAY, by="Kim", reason="A closed day", until=until)


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    return judged_warehouse(tmp_path)


def test_tables_that_passed_may_be_published(judged: Path) -> None:
    decision = decide(judged)

    assert decision.is_allowed
    assert (decision.status, decision.approved, decision.held_by) == ("pass", (), ())
    assert decision.verdict is not None
    assert decision.verdict.as_of_date == DAY
    assert decision.verdict.run_id == "run-1"


def test_warnings_are_published_as_such(tmp_path: Path) -> None:
    warehouse = make_warehouse(tmp_path)
    verdict = judge(warehouse, result(VOLUME, "warn"), result(KEYS), result(DRIFT))

    assert (verdict.status, verdict.blocking) == ("warn", ())
    assert decide(warehouse).is_allowed
    assert decide(warehouse).status == "warn"


FINGERPRINTS = "quality.quality_input_fingerprints"
REFUSALS: dict[str, tuple[tuple[str, ...], str]] = {
    "never judged": (("drop schema checks cascade",), "no verdict on the tables as of 2026-06-30"),
    "no verdict": (("delete from checks.verdicts",), "no verdict on the tables"),
    "two verdicts": (
        ("insert into checks.verdicts from checks.verdicts",),
        "no verdict on the tables",
    ),
    "verdict of another day": (
        ("update intermediate.int_as_of_applied set as_of_date = date '2026-07-01'",),
        "no verdict on the tables as of 2026-07-01",
    ),
    "raw row changed": (
        ("update raw.orders set amount = 99 where amount = 7",),
        "the inputs changed after the verdict",
    ),
    "raw row added": (("insert into raw.orders values (5)",), "the inputs changed"),
    "raw row removed": (("delete from raw.orders where amount = 0",), "the inputs changed"),
    "all raw rows removed": (("delete from raw.orders",), "the inputs changed"),
    "fingerprints gone": (
        (f"drop view {FINGERPRINTS}",),
        "no fingerprints yet",
    ),
    "nothing fingerprinted": (
        (
            f"drop view {FINGERPRINTS}",
            f"create table {FINGERPRINTS} (source text, row_count bigint, fingerprint bigint)",
        ),
        "no fingerprints",
    ),
    "tables built again": (
        (
            "update intermediate.int_run_begun set run_id = 'run-2'",
            "update intermediate.int_run_applied set run_id = 'run-2'",
        ),
        "the tables were built again after the verdict",
    ),
    "run broken off": (
        ("update intermediate.int_run_begun set run_id = 'run-2'",),
        "did not reach its end",
    ),
    "no run": (
        ("delete from intermediate.int_run_begun", "delete from intermediate.int_run_applied"),
        "did not reach its end",
    ),
    "run without a name": (
        (
            "update intermediate.int_run_begun set run_id = null",
            "update intermediate.int_run_applied set run_id = null",
        ),
        "did not reach its end",
    ),
    "never built": (("drop table intermediate.int_run_applied",), "never built to the end"),
    "no day": (("delete from intermediate.int_as_of_applied",), "no as-of date"),
    "day unknown": (("drop table intermediate.int_as_of_applied",), "never built to the end"),
    "verdict that holds without a reason": (
        ("update checks.verdicts set allows_publication = false",),
        "does not say why",
    ),
    "blocking check without results": (
        (
            "update checks.verdicts set allows_publication = false",
            "update checks.verdicts set blocking = '[\"volume_weekday\"]'",
            "delete from checks.check_results where check_id = 'C02'",
        ),
        "volume_weekday holds the tables",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_not_known_is_refused_in_one_line(judged: Path, name: str) -> None:
    statements, expected = REFUSALS[name]
    change(judged, *statements)
    decision = decide(judged)

    assert not decision.is_allowed
    assert expected in decision.reason
    assert decision.reason.endswith(": run `lifestage refresh`")
    assert "\n" not in decision.reason


def test_other_rules_code_or_configuration_are_refused(judged: Path) -> None:
    decision = decide(judged, code="other")

    assert not decision.is_allowed
    assert "the rules, the configuration or the code changed" in decision.reason


def test_an_error_holds_and_says_what_to_do(tmp_path: Path) -> None:
    warehouse = make_warehouse(tmp_path)
    bad = (result(VOLUME), result(VOLUME, "error", "online"), result(KEYS, "error"), result(DRIFT))
    verdict = judge(warehouse, *bad)
    decision = decide(warehouse)

    assert (verdict.status, verdict.allows_publication, verdict.allows_activation) == (
        "error",
        False,
        False,
    )
    assert not decision.is_allowed
    assert decision.held_by == verdict.blocking == ("volume_weekday", "key_integrity")
    assert decision.reason == (
        "volume_weekday holds the tables as of 2026-06-30, as do key_integrity:"
        " volume_weekday of online is error. Mend volume_weekday."
    )


@pytest.mark.parametrize(
    ("check", "is_held"), [(KEYS, True), (VOLUME, False)], ids=["required", "other"]
)
def test_too_little_data_holds_only_where_an_answer_is_required(
    tmp_path: Path, check: Definition, is_held: bool
) -> None:
    warehouse = make_warehouse(tmp_path)
    others = (part for part in GOOD if part.check_id != check.check_id)
    judge(warehouse, result(check, "insufficient_data"), *others)

    assert decide(warehouse).is_allowed is not is_held


def test_a_status_that_nobody_knows_is_an_error(tmp_path: Path) -> None:
    warehouse = make_warehouse(tmp_path)
    odd = replace(result(VOLUME), status="unknown")
    judge(warehouse, odd, result(KEYS), result(DRIFT))

    assert decide(warehouse).held_by == ("volume_weekday",)


def test_an_error_that_holds_messages_only_does_not_hold_tables(tmp_path: Path) -> None:
    warehouse = make_warehouse(tmp_path)
    verdict = judge(warehouse, result(VOLUME), result(KEYS), result(DRIFT, "error"))

    assert (verdict.allows_publication, verdict.allows_activation) == (True, False)
    assert verdict.status == "error"
    assert decide(warehouse).status == "warn"


@pytest.mark.parametrize("check", ["volume_weekday", "C02"])
def test_a_person_may_accept_an_error_for_one_day(tmp_path: Path, check: str) -> None:
    warehouse = make_warehouse(tmp_path)
    judge(warehouse, result(VOLUME, "error"), result(KEYS), result(DRIFT))
    approve_volume(warehouse, until=NEXT_DAY, check=check)

    for requested in (DAY, NEXT_DAY):
        decision = decide(warehouse, requested)
        assert decision.is_allowed
        assert (decision.status, decision.approved) == ("approved", ("volume_weekday",))
    assert not decide(warehouse, NEXT_DAY + timedelta(days=1)).is_allowed


def test_an_approval_is_for_no_other_day(tmp_path: Path) -> None:
    warehouse = make_warehouse(tmp_path)
    bad = (result(VOLUME, "error"), result(KEYS), result(DRIFT))
    judge(warehouse, *bad)
    approve_volume(warehouse, until=date(2027, 1, 1))
    change(warehouse, f"update intermediate.int_as_of_applied set as_of_date = date '{NEXT_DAY}'")
    judge(warehouse, *bad, as_of=NEXT_DAY)

    assert decide(warehouse, NEXT_DAY).held_by == ("volume_weekday",)


def test_an_approval_is_for_no_other_check(tmp_path: Path) -> None:
    warehouse = make_warehouse(tmp_path)
    judge(warehouse, result(VOLUME, "error"), result(KEYS, "error"), result(DRIFT))
    approve_volume(warehouse)
    decision = decide(warehouse)

    assert not decision.is_allowed
    assert (decision.held_by, decision.approved) == (("key_integrity",), ("volume_weekday",))


def test_an_approval_lasts_while_the_same_day_is_judged_again(tmp_path: Path) -> None:
    warehouse = make_warehouse(tmp_path)
    bad = (result(VOLUME, "error"), result(KEYS), result(DRIFT))
    judge(warehouse, *bad)
    approve_volume(warehouse)
    approve_volume(warehouse)
    judge(warehouse, *bad)

    assert decide(warehouse).is_allowed
    with open_database(warehouse, read_only=True) as session:
        assert read_rows(session, "warehouse", "approvals", DAY) == [
            {
                "as_of_date": DAY,
                "check_id": "C02",
                "approved_by": "Kim",
                "reason": "A closed day",
                "valid_until": DAY,
            }
        ]


def test_an_approval_smuggled_in_for_a_required_check_is_none(tmp_path: Path) -> None:
    warehouse = make_warehouse(tmp_path)
    judge(warehouse, result(VOLUME), result(KEYS, "error"), result(DRIFT))
    change(
        warehouse,
        f"insert into checks.approvals values ('{DAY}', 'C03', 'Kim', 'Late', '2027-01-01')",
    )

    assert decide(warehouse).held_by == ("key_integrity",)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"check": "key_integrity"}, "key_integrity is required and cannot be approved"),
        ({"check": "C03"}, "key_integrity is required"),
        ({"check": "C99"}, "no check of that name .* with an error: volume_weekday, key_integrity"),
        ({"check": "feature_psi"}, "feature_psi has no error"),
        ({"as_of": NEXT_DAY, "until": NEXT_DAY}, "nothing was judged as of 2026-07-01"),
        ({"by": "  "}, "needs a name and a reason"),
        ({"reason": "\t\n"}, "needs a name and a reason"),
        ({"until": DAY - timedelta(days=1)}, "never holds for 2026-06-30"),
    ],
)
def test_what_may_not_be_approved_is_refused(
    tmp_path: Path, changed: dict[str, object], expected: str
) -> None:
    warehouse = make_warehouse(tmp_path)
    judge(warehouse, result(VOLUME, "error"), result(KEYS, "error"), result(DRIFT))
    asked = {"check": "C02", "as_of": DAY, "by": "Kim", "reason": "Why", "until": DAY} | changed
    with (
        open_database(warehouse, read_only=False) as session,
        pytest.raises(GateError, match=expected),
    ):
        approve(session, asked.pop("check"), asked.pop("as_of"), **asked)  # ty: ignore

    assert decide(warehouse).held_by == ("volume_weekday", "key_integrity")


def test_nothing_can_be_approved_before_anything_is_judged(tmp_path: Path) -> None:
    with (
        open_database(make_warehouse(tmp_path), read_only=False) as session,
        pytest.raises(GateError, match="nothing was judged"),
    ):
        approve(session, "C02", DAY, by="Kim", reason="Why", until=DAY)


def on_another_day(_: Session) -> tuple[Result, ...]:
    return tuple(replace(part, as_of_date=NEXT_DAY) for part in GOOD)


def after_a_new_row(session: Session) -> tuple[Result, ...]:
    session.run("insert into raw.orders values (5)")
    return GOOD


def after_a_new_build(session: Session) -> tuple[Result, ...]:
    for name in ("int_run_begun", "int_run_applied"):
        session.run(f"update intermediate.{name} set run_id = 'run-2'")
    return GOOD


def after_a_broken_run(session: Session) -> tuple[Result, ...]:
    session.run("update intermediate.int_run_begun set run_id = 'run-2'")
    return GOOD


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (lambda _: GOOD[1:], r"results and definitions of checks differ \(C02\)"),
        (lambda _: (), "differ"),
        (lambda _: (*GOOD, replace(GOOD[0], check_id="C98")), r"differ \(C98\)"),
        (lambda _: (*GOOD, GOOD[0]), "C02 gave two results on one subject"),
        (on_another_day, "another day than 2026-06-30"),
        (after_a_new_row, "not built from these inputs and rules"),
        (after_a_new_build, "not built from these inputs and rules"),
        (after_a_broken_run, "did not reach its end"),
    ],
)
def test_a_verdict_on_something_else_is_not_recorded(
    tmp_path: Path, results: Callable[[Session], tuple[Result, ...]], expected: str
) -> None:
    warehouse = make_warehouse(tmp_path)
    with open_database(warehouse, read_only=False) as session:
        mark_built(session, CODE)
        given = results(session)
        with pytest.raises(GateError, match=expected):
            gate.record(
                session,
                DAY,
                given,
                [],
                input_hash=gate.live_input_hash(session, "warehouse"),
                code_hash=CODE,
                definitions=DEFINITIONS,
            )
        assert read_rows(session, "warehouse", "verdicts", DAY) == []


def test_new_rules_need_new_tables_before_they_get_a_verdict(judged: Path) -> None:
    """Judging again by hand after a rule changed must not let old tables through."""
    with (
        open_database(judged, read_only=False) as session,
        pytest.raises(GateError, match="not built from these inputs and rules"),
    ):
        record(session, code="other")
    assert decide(judged).is_allowed
    assert not decide(judged, code="other").is_allowed


def test_tables_of_another_day_are_not_judged(judged: Path) -> None:
    with (
        open_database(judged, read_only=False) as session,
        pytest.raises(GateError, match="as of 2026-06-30, not 2026-07-01"),
    ):
        record(session, as_of=NEXT_DAY)


def test_a_broken_run_is_not_marked_as_built(tmp_path: Path) -> None:
    warehouse = make_warehouse(tmp_path)
    with open_database(warehouse, read_only=False) as session:
        after_a_broken_run(session)
        with pytest.raises(OriginError, match="did not reach its end"):
            mark_built(session, CODE)


def rows_of(warehouse: Path) -> dict[str, list[tuple[object, ...]]]:
    with open_database(warehouse, read_only=True) as session:
        return {name: session.fetch(f"from checks.{name} order by all") for name in TABLES}


def test_judging_again_replaces_the_day_and_keeps_the_others(tmp_path: Path) -> None:
    warehouse = make_warehouse(tmp_path)
    judge(warehouse, result(VOLUME, "error"), result(KEYS), result(DRIFT))
    judge(warehouse)
    once = rows_of(warehouse)
    judge(warehouse, *reversed(GOOD))
    assert rows_of(warehouse) == once

    change(warehouse, f"update intermediate.int_as_of_applied set as_of_date = date '{NEXT_DAY}'")
    judge(warehouse, as_of=NEXT_DAY)
    assert set(once["check_results"]) < set(rows_of(warehouse)["check_results"])
    assert len(rows_of(warehouse)["verdicts"]) == 2


def test_a_failed_write_leaves_the_verdict_before(judged: Path) -> None:
    before = rows_of(judged)
    unwritable = replace(GOOD[0], message=None)
    change(judged, "alter table checks.check_results alter column message set not null")
    refused = pytest.raises(EngineError, match="ConstraintException")
    with open_database(judged, read_only=False) as session, refused:
        record(session, (unwritable, *GOOD[1:]))

    assert rows_of(judged) == before


def test_numbers_that_are_none_are_empty_cells(tmp_path: Path) -> None:
    warehouse = make_warehouse(tmp_path)
    odd = replace(
        result(VOLUME, "error", value=math.nan),
        effect=math.inf,
        details={"a": math.nan, "b": [1, -math.inf], "c": {"day": DAY}},
    )
    judge(warehouse, odd, result(KEYS), result(DRIFT))
    with open_database(warehouse, read_only=True) as session:
        row = read_rows(session, "warehouse", "check_results", DAY)[0]

    assert (row["check_id"], row["value"], row["effect"]) == ("C02", None, None)
    assert json.loads(row["details"]) == {"a": None, "b": [1, None], "c": {"day": "2026-06-30"}}
    assert row["remedy"] == "Mend volume_weekday."


def test_a_table_of_an_earlier_version_gets_its_new_columns(tmp_path: Path) -> None:
    warehouse = make_warehouse(tmp_path)
    change(warehouse, "create schema checks", "create table checks.approvals (as_of_date date)")
    judge(warehouse)

    assert decide(warehouse).is_allowed


def test_the_same_results_hash_alike_and_others_do_not(tmp_path: Path) -> None:
    warehouse = make_warehouse(tmp_path)
    same = judge(warehouse).results_hash
    noisy = [replace(part, value=0.25 * (1 + 1e-13), p_value=0.5) for part in GOOD]

    assert judge(warehouse, *reversed(GOOD)).results_hash == same
    assert judge(warehouse, *noisy).results_hash == same
    for other in ({"value": 0.26}, {"status": "warn"}, {"message": "Something else."}):
        changed = replace(GOOD[0], **other)
        assert judge(warehouse, changed, *GOOD[1:]).results_hash != same


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    statuses=st.fixed_dictionaries(
        {
            check: st.lists(
                st.sampled_from(STATUSES),
                min_size=1,
                max_size=3,
            )
            for check in DEFINITIONS
        }
    ),
    approves=st.booleans(),
)
def test_no_failing_check_is_ever_published_unapproved(
    judged: Path, statuses: dict[str, list[Status]], approves: bool
) -> None:
    change(judged, "delete from checks.approvals")
    judge(
        judged,
        *(
            result(DEFINITIONS[check], status, f"subject {index}")
            for check, found in statuses.items()
            for index, status in enumerate(found)
        ),
    )
    fails_keys = bool({"error", "insufficient_data"} & set(statuses["C03"]))
    fails_volume = "error" in statuses["C02"]
    if approves and fails_volume:
        approve_volume(judged)

    decision = decide(judged)
    assert decision.is_allowed is not (fails_keys or (fails_volume and not approves))
    assert (decision.status == "approved") is (approves and fails_volume)


class TestCodeHash:
    """What a verdict depends on besides the inputs."""

    @pytest.fixture
    def project(self, tmp_path: Path) -> tuple[Settings, Path]:
        rules = tmp_path / "rules"
        rules.mkdir()
        shutil.copy(SEEDS_DIR / "rules" / "segments.csv", rules)
        return Settings(tmp_path, tmp_path / "lifestage.yml", tmp_path / ".lifestage"), rules

    @pytest.fixture(autouse=True)
    def _without_overlays(self, project: tuple[Settings, Path]) -> object:
        yield
        settings, _ = project
        root = rules_dir(settings, parse_config({"rules": "rules"}, settings.project_root)).parent
        assert root.parent == OVERLAYS_DIR
        shutil.rmtree(root)

    def test_one_rule_counts(self, project: tuple[Settings, Path]) -> None:
        settings, rules = project
        config = parse_config({"rules": "rules"}, settings.project_root)
        before = code_hash(settings, config)
        assert code_hash(settings, config) == before

        with (rules / "segments.csv").open("a") as file:
            file.write("\n")
        assert code_hash(settings, config) != before

    def test_the_place_does_not_count(self, project: tuple[Settings, Path]) -> None:
        settings, _ = project
        moved = replace(settings, home=settings.home / "moved")
        plain = parse_config({}, settings.project_root)
        same_rules = parse_config({"rules": "rules"}, settings.project_root)

        assert code_hash(settings, plain) == code_hash(moved, plain)
        assert code_hash(settings, plain) != code_hash(settings, same_rules)

    def test_how_results_are_published_does_not_count(self, project: tuple[Settings, Path]) -> None:
        settings, _ = project
        plain = parse_config({}, settings.project_root)
        loud = parse_config({"publication": {"max_removed_share": 0.9}}, settings.project_root)
        other = parse_config({"currency": "EUR"}, settings.project_root)

        assert code_hash(settings, plain) == code_hash(settings, loud)
        assert code_hash(settings, plain) != code_hash(settings, other)
