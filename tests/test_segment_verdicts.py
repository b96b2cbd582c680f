"""What results hold back, and what is said of each segment."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.measures.night import Night, SegmentVerdict, judge_night, segment_verdict_rows
from orchestration.measures.verdict import roll_up
from tests.judged import AS_OF, DEFINITIONS, SEGMENTS, causes, healthy_tables, night, transitions

CRITERIA = (
    "measurable",
    "accessible",
    "substantial",
    "differentiable",
    "homogeneous",
    "actionable",
    "stable",
)


def rolled(approved: tuple[str, ...] = (), **tables: Any):
    return roll_up(judge_night(night(**tables), DEFINITIONS), approved)


def rows_with(table: str, **changes: Any) -> list[dict[str, Any]]:
    return [row | changes for row in healthy_tables()[table]]


RESTLESS: dict[str, Any] = {
    "transitions": [
        *transitions(0.6),
        *transitions(0.08, horizon_days=7, blocks=9),
        *transitions(0.02, horizon_days=1, blocks=1),
    ],
    "moves_by_cause": causes(30, aged=2580),
}


def test_a_healthy_night_holds_nothing():
    found = rolled()
    assert (found.status, found.allows_publication, found.allows_activation) == ("pass", True, True)
    assert found.held_audiences == {}


def test_a_lost_label_holds_everything():
    found = rolled(unmapped=rows_with("unmapped", without_segment=1))
    assert found.held_publication == ("unmapped",)
    assert not found.allows_publication
    assert not found.allows_activation
    assert found.status == "error"


def test_movement_holds_activation_only():
    found = rolled(**RESTLESS)
    assert found.held_activation == ("churn_30d",)
    assert found.allows_publication
    assert not found.allows_activation


def test_a_small_segment_holds_its_own_audience():
    table = rows_with("flapping")
    table[0] |= {"customers": 1000, "flapping": 100}
    found = rolled(flapping=table)
    assert found.held_audiences == {"champions": ("flapping",)}
    assert found.allows_activation
    assert found.status == "error"


def test_warnings_hold_nothing():
    found = rolled(published_as_of=[])
    assert found.status == "pass"
    table = rows_with("late_arrivals", late_orders=20)
    assert rolled(late_arrivals=table).status == "warn"
    assert rolled(late_arrivals=table).allows_activation


def test_no_data_of_a_required_check_holds_like_an_error():
    tables = healthy_tables()
    del tables["recompute"]
    found = roll_up(judge_night(Night(AS_OF, tables), DEFINITIONS))
    assert found.held_publication == ("recompute_identity",)


def test_a_person_can_approve_what_is_not_required():
    found = rolled(("churn_30d", "flapping"), **RESTLESS)
    assert found.allows_activation
    assert found.approved == ("churn_30d",)
    found = rolled(("unmapped",), unmapped=rows_with("unmapped", without_stage=2))
    assert not found.allows_publication
    assert found.approved == ()


# Segments


def verdicts(**tables: Any) -> dict[tuple[str, str], SegmentVerdict]:
    one = night(**tables)
    rows = segment_verdict_rows(one, judge_night(one, DEFINITIONS), DEFINITIONS)
    return {(row.segment, row.criterion): row for row in rows}


def test_every_segment_has_seven_verdicts_in_order():
    one = night()
    rows = segment_verdict_rows(one, judge_night(one, DEFINITIONS), DEFINITIONS)
    assert [(row.segment, row.criterion) for row in rows] == [
        (segment, criterion) for segment in sorted(SEGMENTS) for criterion in CRITERIA
    ]
    assert {row.as_of_date for row in rows} == {AS_OF}
    assert {row.verdict for row in rows if row.criterion != "accessible"} == {"pass"}
    assert all(row.advice.endswith(".") for row in rows)


def test_reach_is_unknown_until_somebody_tells():
    assert verdicts()["champions", "accessible"].verdict == "unknown"
    reach: list[dict[str, Any]] = [
        {"segment": "champions", "customers": 600, "reachable": 99},
        {"segment": "at_risk", "customers": 500, "reachable": 29},
        {"segment": "hibernating", "customers": 900, "reachable": 100},
    ]
    found = verdicts(reach=reach)
    assert [found[row["segment"], "accessible"].verdict for row in reach] == [
        "warn",
        "fail",
        "pass",
    ]
    assert found["new_customers", "accessible"].verdict == "unknown"


def test_a_wrong_label_makes_every_segment_unmeasurable():
    found = verdicts(recompute=rows_with("recompute", differing=4))
    assert {found[segment, "measurable"].verdict for segment in SEGMENTS} == {"fail"}
    found = verdicts(recompute=[])
    assert {found[segment, "measurable"].verdict for segment in SEGMENTS} == {"unknown"}


@pytest.mark.parametrize(("customers", "verdict"), [(100, "pass"), (99, "warn"), (29, "fail")])
def test_size_of_a_segment_and_whom_to_merge_it_with(customers, verdict):
    table = [
        row | {"customers": customers}
        if (row["date_day"], row["segment"]) == (AS_OF, "champions")
        else row
        for row in healthy_tables()["segment_daily_metrics"]
    ]
    found = verdicts(segment_daily_metrics=table)["champions", "substantial"]
    assert (found.value, found.threshold, found.verdict) == (customers, 100, verdict)
    # Loyal customers, one rank below, bought again at the most similar rate.
    assert ("merge it with loyal_customers" in found.advice) == (verdict != "pass")


def test_segments_that_do_the_same_are_to_be_merged():
    tables = healthy_tables()
    size = SEGMENTS["hibernating"][1]
    tables["responses"] = [
        row | {"customers": size, "bought_again": size // 8}
        if row["segment"] in {"new_customers", "hibernating"}
        else row
        for row in tables["responses"]
    ]
    tables["response_bins"] = [
        row
        for row in tables["response_bins"]
        if row["segment"] not in {"new_customers", "hibernating"}
    ] + [
        {"segment": segment, "bin": place, "customers": count}
        for segment in ("new_customers", "hibernating")
        for place, count in ((0, size - size // 8), (5, size // 8))
    ]
    found = verdicts(**tables)
    assert found["new_customers", "differentiable"].verdict == "warn"
    assert "merge with hibernating" in found["new_customers", "differentiable"].advice
    assert found["champions", "differentiable"].verdict == "pass"
    few = [row | {"customers": 99} for row in tables["responses"]]
    assert verdicts(responses=few)["champions", "differentiable"].verdict == "unknown"


@pytest.mark.parametrize(("spread", "verdict"), [(0.5, "pass"), (9.0, "warn"), (40.0, "fail")])
def test_a_segment_should_vary_less_than_everybody(spread, verdict):
    # Everybody varies by 2.8318 between segments and by what is within them.
    table = rows_with("segment_moments", variance=spread)
    found = verdicts(segment_moments=table)["champions", "homogeneous"]
    assert found.value == pytest.approx(spread / (spread + 2.8318), abs=1e-5)
    assert found.verdict == verdict
    assert ("split it" in found.advice) == (verdict != "pass")


@pytest.mark.parametrize(
    ("changes", "verdict", "advice"),
    [
        ({"action": ""}, "fail", "no action"),
        ({"action": "Send the letter for at_risk."}, "warn", "same action"),
        ({"objective": ""}, "warn", "objective"),
        ({"objective_target": "more"}, "warn", "objective_target"),
        ({"channel": "tbd"}, "warn", "channel"),
    ],
)
def test_a_segment_needs_an_action_and_an_aim(changes, verdict, advice):
    table = rows_with("definitions")
    table[0] |= changes
    found = verdicts(definitions=table)["champions", "actionable"]
    assert (found.verdict, found.threshold) == (verdict, 0)
    assert advice in found.advice


def test_a_segment_that_nobody_defined_cannot_be_acted_on():
    table = healthy_tables()["definitions"][1:]
    assert verdicts(definitions=table)["champions", "actionable"].verdict == "fail"


def test_a_segment_is_as_stable_as_its_worst_check():
    table = rows_with("flapping")
    table[0] |= {"customers": 1000, "flapping": 30}
    found = verdicts(flapping=table)
    assert found["champions", "stable"].verdict == "warn"
    assert found["champions", "stable"].value == 0.03
    assert found["at_risk", "stable"].verdict == "pass"
