"""The rule linter: each check by a small case, and against brute force over all 125 cells."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.measures.rules import (
    CELLS,
    FixedCut,
    LifecycleStage,
    RuleBook,
    RuleException,
    Segment,
    SegmentRule,
    cell_map,
    claims,
    lint_rules,
    rules_in_force,
)
from orchestration.rules import RuleFileError, read_rules

RULES_DIR = Path(__file__).parents[1] / "seeds" / "rules"
SHIPPED = read_rules(RULES_DIR)
DAY = date(2000, 1, 1)
TODAY = date(2026, 6, 30)

# Two maps of the R package rfm, as ranges of R, F and M; cells that none holds are "others" there.
README_MAP = {
    "champions": "5 5 5",
    "potential_loyalist": "3-5 3-5 2-5",
    "loyal_customers": "2-4 2-4 2-4",
    "promising": "3-4 1-3 3-5",
    "new_customers": "4-5 1-3 1-5",
    "cant_lose_them": "1-2 3-4 4-5",
    "at_risk": "1-2 2-5 4-5",
    "need_attention": "1-3 3-5 3-5",
    "about_to_sleep": "2-3 1-3 1-4",
    "lost": "1 1-5 1-5",
}
OLDER_MAP = {
    "champions": "4-5 4-5 4-5",
    "loyal_customers": "2-5 3-5 3-5",
    "potential_loyalist": "3-5 1-3 1-3",
    "new_customers": "4-5 1 1",
    "promising": "3-4 1 1",
    "need_attention": "2-3 2-3 2-3",
    "about_to_sleep": "2-3 1-2 1-2",
    "at_risk": "1-2 2-5 2-5",
    "cant_lose_them": "1 4-5 4-5",
    "lost": "1-2 1-2 1-2",
}


def rule(
    segment: str, priority: int, ranges: str = "1-5 1-5 1-5", valid_from: date = DAY
) -> SegmentRule:
    bounds = [(text[0], text[-1]) for text in ranges.split()]
    return SegmentRule("own", valid_from, priority, segment, *(int(n) for n in sum(bounds, ())))


def published(rows: dict[str, str]) -> list[SegmentRule]:
    return [rule(name, 10 * place, ranges) for place, (name, ranges) in enumerate(rows.items(), 1)]


def book(rules: list[SegmentRule], ranks: dict[str, int] | None = None, **tables) -> RuleBook:
    names = ranks or dict.fromkeys(sorted({one.segment for one in rules}), 1)
    segments = tuple(
        Segment("own", name, rank, name, "People.", "Decides what is sent.",
                f"Send the letter for {name}.", "email", "To be heard.", "The letter.", "No time.",
                "Hello.", "Sell one thing more.", "orders", "+1", DAY)
        for name, rank in names.items()
    )  # fmt: skip
    return replace(RuleBook(tuple(rules), segments), **tables)


def checks(found: list) -> set[str]:
    return {one.check for one in found}


def only(found: list, check: str):
    (one,) = [one for one in found if one.check == check]
    return one


# What ships


def test_shipped_rules_lint_clean():
    assert lint_rules(SHIPPED) == []


@pytest.mark.parametrize(
    ("preset", "count"),
    [("default", 7), ("classic", 5), ("rf_grid", 10), ("eleven", 11), ("five", 5), ("three", 3)],
)
def test_every_preset_covers_all_cells(preset, count):
    mapped = cell_map(SHIPPED.segment_rules, preset, TODAY)
    assert len(mapped) == 125
    assert len(set(mapped.values())) == count


def test_classic_names_the_four_codes():
    mapped = cell_map(SHIPPED.segment_rules, "classic", TODAY)
    named = {cell: name for cell, name in mapped.items() if name != "regular"}
    assert named == {(5, 5, 5): "vip", (1, 5, 5): "at_risk", (5, 1, 1): "new", (1, 1, 1): "lost"}


def test_rf_grid_ignores_money_and_has_the_published_names():
    mapped = cell_map(SHIPPED.segment_rules, "rf_grid", TODAY)
    grid = {(r, f): mapped[r, f, 1] for r, f, _ in CELLS}
    assert all(mapped[r, f, m] == grid[r, f] for r, f, m in CELLS)
    assert [grid[r, f] for r, f in ((1, 1), (2, 4), (1, 5), (3, 2), (3, 3))] == [
        "hibernating",
        "at_risk",
        "cant_lose",
        "about_to_sleep",
        "need_attention",
    ]
    assert [grid[r, f] for r, f in ((3, 4), (4, 1), (5, 1), (5, 3), (5, 4))] == [
        "loyal",
        "promising",
        "new",
        "potential_loyalists",
        "champions",
    ]


def test_eleven_is_an_exact_partition_of_the_published_sizes():
    rules = rules_in_force(SHIPPED.segment_rules, "eleven", TODAY)
    assert {len(holding) for holding in claims(rules).values()} == {1}
    names = list(cell_map(SHIPPED.segment_rules, "eleven", TODAY).values())
    assert {name: names.count(name) for name in names} == {
        "champions": 7,
        "loyal": 8,
        "potential_loyalists": 24,
        "new_customers": 7,
        "promising": 16,
        "need_attention": 8,
        "about_to_sleep": 8,
        "at_risk": 22,
        "cannot_lose_them": 8,
        "hibernating": 11,
        "lost": 6,
    }


def test_a_silent_champion_of_the_default_map_comes_to_be_at_risk():
    mapped = cell_map(SHIPPED.segment_rules, "default", TODAY)
    assert [mapped[r, 5, 5] for r in (5, 4, 3, 2, 1)] == [
        "champions",
        "champions",
        "loyal_customers",
        "at_risk",
        "cant_lose_them",
    ]
    assert mapped[5, 1, 1] == "new_customers"
    assert mapped[1, 1, 1] == "hibernating"


# Two published maps as a check of the linter


def test_readme_map_leaves_10_cells_and_claims_58_twice():
    found = lint_rules(book(published(README_MAP)), ["own"])
    assert "10 of 125 score cells" in only(found, "RULE_GAP").message
    holding = claims(published(README_MAP))
    assert sum(not rules for rules in holding.values()) == 10
    assert sum(len(rules) > 1 for rules in holding.values()) == 58


def test_older_map_leaves_36_cells_and_never_reaches_three_segments():
    found = lint_rules(book(published(OLDER_MAP)), ["own"])
    assert "36 of 125 score cells" in only(found, "RULE_GAP").message
    never = {one.subject for one in found if one.check in {"RULE_SHADOWED", "RULE_UNREACHABLE"}}
    assert never == {"40:new_customers", "50:promising", "90:cant_lose_them"}
    assert set(cell_map(published(OLDER_MAP), "own", TODAY).values()).isdisjoint(
        {"new_customers", "promising", "cant_lose_them"}
    )


# Each check by a case


def test_gap_names_preset_version_cell_and_remedy():
    rules = [
        rule("high", 10, "4-5 1-5 1-5"),
        rule("low", 20, "1-2 1-5 1-5"),
        rule("middle", 30, "3 2-5 1-5"),
        rule("rest", 40, "3 1 1-4"),
    ]
    one = only(lint_rules(book(rules)), "RULE_GAP")
    assert one.severity == "error"
    assert one.message == (
        "preset own, valid_from 2000-01-01: 1 of 125 score cells have no rule: R=3,F=1,M=5; "
        "widen a rule or add a last rule for the rest"
    )


def test_overlap_of_one_priority_names_both_segments():
    rules = [rule("high", 10, "4-5 1-5 1-5"), rule("low", 10, "1-4 1-5 1-5"), rule("rest", 20)]
    one = only(lint_rules(book(rules)), "RULE_OVERLAP")
    assert one.subject == "10:high+low"
    assert "R=4,F=1,M=1" in one.message
    assert "different priorities" in one.message


def test_rule_behind_one_rule_is_shadowed_and_behind_several_unreachable():
    rules = [
        rule("high", 10, "3-5 1-5 1-5"),
        rule("top", 20, "5 5 5"),
        rule("low", 30, "1-2 1-5 1-5"),
        rule("rest", 40),
    ]
    found = lint_rules(book(rules))
    assert only(found, "RULE_SHADOWED").subject == "20:top"
    assert "rule 10 (high) holds all its cells" in only(found, "RULE_SHADOWED").message
    assert only(found, "RULE_UNREACHABLE").subject == "40:rest"
    assert "rules 10, 30 together" in only(found, "RULE_UNREACHABLE").message


def test_better_score_must_not_give_a_worse_segment():
    rules = [rule("high", 10, "4-5 1-5 1-5"), rule("rest", 20)]
    one = only(lint_rules(book(rules, {"high": 1, "rest": 2})), "NOT_MONOTONE")
    assert one.subject == "rest>high"
    assert "R=3,F=1,M=1 rest (rank 2, rule 20) to R=4,F=1,M=1 high (rank 1, rule 10)" in one.message
    assert "NOT_MONOTONE" not in checks(lint_rules(book(rules, {"high": 2, "rest": 2})))


@pytest.mark.parametrize(
    ("count", "severity"), [(2, "error"), (3, "warn"), (4, None), (8, None), (9, "error")]
)
def test_number_of_segments(count, severity):
    cells = [f"{r} {f} 1-5" for r, f in itertools.product(range(1, 6), range(1, 6))]
    rules = [rule(f"s{place}", place, ranges) for place, ranges in enumerate(cells[: count - 1])]
    found = lint_rules(book([*rules, rule("rest", 99)]))
    assert [one.severity for one in found if one.check == "SEGMENT_COUNT"] == (
        [severity] if severity else []
    )


@pytest.mark.parametrize(
    ("changed", "check", "subject"),
    [
        ({"purpose": " "}, "MISSING_TEXT", "a.purpose"),
        ({"action": "TBD."}, "MISSING_TEXT", "a.action"),
        ({"channel": ""}, "MISSING_TEXT", "a.channel"),
        ({"purpose": "Better targeting."}, "VAGUE_TEXT", "a.purpose"),
        ({"objective": ""}, "MISSING_TEXT", "a.objective"),
        ({"objective": "Grow."}, "VAGUE_TEXT", "a.objective"),
        ({"objective_metric": "tbd"}, "MISSING_TEXT", "a.objective_metric"),
        ({"objective_target": "more"}, "VAGUE_OBJECTIVE", "a.objective_target"),
        ({"action": "send the letter for B"}, "SAME_ACTION", "a+b"),
        ({"segment": "z"}, "UNKNOWN_SEGMENT", "a"),
        ({"segment": "z"}, "UNUSED_SEGMENT", "z"),
        ({"segment": "b"}, "DUPLICATE_SEGMENT", "b"),
    ],
)
def test_segments_are_described(changed, check, subject):
    made = book([rule("a", 1, "5 5 5"), rule("b", 2)])
    first, second = made.segments
    found = lint_rules(replace(made, segments=(replace(first, **changed), second)))
    assert only(found, check).subject == subject


def test_bad_range_is_named_and_left_out_of_the_map():
    rules = [rule("a", 10, "5-4 1-5 1-5"), rule("b", 20, "1-5 1-6 1-5"), rule("c", 30)]
    found = [one for one in lint_rules(book(rules)) if one.check == "BAD_RANGE"]
    assert [one.subject for one in found] == ["10:a", "20:b"]
    assert "R 5-4" in found[0].message
    assert "F 1-6" in found[1].message


def test_each_version_is_checked_and_the_one_in_force_is_used():
    later = date(2025, 1, 1)
    rules = [rule("a", 10), rule("b", 10, "1-4 1-5 1-5", later)]
    one = only(lint_rules(book(rules)), "RULE_GAP")
    assert one.subject == "2025-01-01"
    assert set(cell_map(rules, "own", date(1999, 1, 1)).values()) == {"a"}
    assert set(cell_map(rules, "own", date(2024, 12, 31)).values()) == {"a"}
    assert set(cell_map(rules, "own", later).values()) == {"b"}


def test_unknown_preset_is_an_error():
    assert checks(lint_rules(SHIPPED, ["defualt"])) == {"UNKNOWN_PRESET"}


def test_exception_accepts_one_finding_and_a_useless_one_is_a_finding():
    rules = [rule("a", 10, "5 5 5"), rule("b", 20), rule("c", 30, "1 1 1"), rule("d", 40, "2 2 2")]
    accepted = RuleException("own", "RULE_SHADOWED", "30:c", "Kept for the next version.")
    stale = RuleException("own", "RULE_GAP", "2000-01-01", "There was one.")
    unsaid = RuleException("own", "RULE_SHADOWED", "40:d", " ")
    found = lint_rules(book(rules, exceptions=(accepted, stale, unsaid)))
    assert [(one.check, one.subject) for one in found] == [
        ("RULE_SHADOWED", "40:d"),
        ("MISSING_TEXT", "RULE_SHADOWED:40:d.reason"),
        ("EXCEPTION_UNUSED", "RULE_GAP:2000-01-01"),
    ]


# Lifecycle bounds and fixed cuts


def stages(**changed: dict) -> tuple[LifecycleStage, ...]:
    return tuple(replace(row, **changed.get(row.stage, {})) for row in SHIPPED.lifecycle_stages)


@pytest.mark.parametrize(
    ("changed", "check", "subject"),
    [
        ({"at_risk": {"to_day": 89}}, "LIFECYCLE_GAP", "at_risk+dormant"),
        ({"lost": {"to_day": 900}}, "LIFECYCLE_GAP", "lost"),
        ({"active": {"clock": "no_order"}}, "LIFECYCLE_GAP", "otherwise"),
        ({"active": {"clock": "no_order"}}, "LIFECYCLE_OVERLAP", "no_order"),
        ({"at_risk": {"to_day": 91}}, "LIFECYCLE_OVERLAP", "at_risk+dormant"),
        ({"new": {"to_day": 61}}, "LIFECYCLE_FRESH_TOO_LONG", "new"),
        ({"reactivated": {"to_day": 61}}, "LIFECYCLE_FRESH_TOO_LONG", "reactivated"),
        (
            {"reactivated": {"after_gap_days": 30}},
            "LIFECYCLE_FRESH_TOO_LONG",
            "reactivated.after_gap_days",
        ),
        ({"new": {"to_day": -1}}, "BAD_RANGE", "new"),
        ({"active": {"from_day": 1}}, "BAD_RANGE", "active"),
        ({"active": {"clock": "moon"}}, "BAD_CLOCK", "active"),
        ({"lost": {"action": ""}}, "MISSING_TEXT", "lost.action"),
    ],
)
def test_lifecycle_bounds(changed, check, subject):
    found = lint_rules(replace(SHIPPED, lifecycle_stages=stages(**changed)))
    assert subject in {one.subject for one in found if one.check == check}


def test_lifecycle_bounds_one_day_inside_are_fine():
    changed = {"new": {"to_day": 60}, "reactivated": {"to_day": 60, "after_gap_days": 61}}
    assert lint_rules(replace(SHIPPED, lifecycle_stages=stages(**changed))) == []


@pytest.mark.parametrize(
    ("cut", "check"),
    [
        (FixedCut(DAY, "recency", 4, Decimal(90)), "CUTS_NOT_ASCENDING"),
        (FixedCut(DAY, "recency", 5, Decimal(900)), "CUTS_INCOMPLETE"),
        (FixedCut(DAY, "age", 4, Decimal(900)), "UNKNOWN_METRIC"),
    ],
)
def test_fixed_cuts(cut, check):
    kept = [row for row in SHIPPED.fixed_score_cuts if (row.metric, row.cut) != ("recency", 4)]
    assert check in checks(lint_rules(replace(SHIPPED, fixed_score_cuts=(*kept, cut))))


# Against brute force

ranges = st.tuples(st.integers(1, 5), st.integers(1, 5)).map(sorted)
boxes = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from("abcd"), ranges, ranges, ranges),
    min_size=1,
    max_size=6,
)


@given(boxes, st.fixed_dictionaries({name: st.integers(1, 3) for name in "abcd"}))
def test_linter_agrees_with_brute_force(drawn, ranks):
    rules = [
        SegmentRule("own", DAY, priority, name, *r, *f, *m) for priority, name, r, f, m in drawn
    ]
    found = lint_rules(book(rules, ranks))
    winner: dict[tuple[int, ...], tuple] = {}
    tied, first_somewhere = False, set()
    for cell in itertools.product(range(1, 6), repeat=3):
        holding = [
            box
            for box in drawn
            if all(low <= score <= high for score, (low, high) in zip(cell, box[2:], strict=True))
        ]
        tied |= len({box[0] for box in holding}) < len(holding)
        if holding:
            best = min(box[0] for box in holding)
            first_somewhere |= {place for place, box in enumerate(drawn)
                                if box in holding and box[0] == best}  # fmt: skip
            winner[cell] = min(holding, key=lambda box: box[0])
    down = any(
        ranks[winner[cell][1]] > ranks[winner[better][1]]
        for cell in winner
        for better in (tuple(s + (i == axis) for i, s in enumerate(cell)) for axis in range(3))
        if better in winner
    )
    assert cell_map(rules, "own", TODAY) == {cell: box[1] for cell, box in winner.items()}
    assert ("RULE_GAP" in checks(found)) == (len(winner) < 125)
    assert ("RULE_OVERLAP" in checks(found)) == tied
    assert ("NOT_MONOTONE" in checks(found)) == down
    never = [one for one in found if one.check in {"RULE_SHADOWED", "RULE_UNREACHABLE"}]
    assert len(never) == len(drawn) - len(first_somewhere)


# The files


def test_rule_files_say_where_they_cannot_be_read(tmp_path):
    for path in RULES_DIR.glob("*.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert read_rules(tmp_path) == SHIPPED
    rules = tmp_path / "segment_rules.csv"
    text = rules.read_text()
    rules.write_text(text.replace(",10,champions,4,", ",10,champions,four,", 1))
    with pytest.raises(RuleFileError, match="line 2, column r_min: 'four' is not a whole number"):
        read_rules(tmp_path)
    rules.write_text(text.replace("r_min", "r_low", 1))
    with pytest.raises(RuleFileError, match="column r_min is missing"):
        read_rules(tmp_path)
    rules.write_text(text + "default,2000-01-01\n")
    with pytest.raises(RuleFileError, match="number of fields differs"):
        read_rules(tmp_path)
    rules.write_text(text)
    segments = tmp_path / "segments.csv"
    text = segments.read_text()
    segments.write_text(text.replace(",reviewed_on\n", ",seen_on\n", 1))
    with pytest.raises(RuleFileError, match=r"segments\.csv: column reviewed_on is missing; add"):
        read_rules(tmp_path)
    segments.write_text(text.replace(",2026-06-15\n", ",last June\n", 1))
    with pytest.raises(RuleFileError, match="column reviewed_on: 'last June' is not a date like"):
        read_rules(tmp_path)
    rules.unlink()
    with pytest.raises(RuleFileError, match=r"segment_rules\.csv is missing"):
        read_rules(tmp_path)
