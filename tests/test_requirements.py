"""What the shipped rules promise about days, codes and actions; see docs/requirements.md.

Labels come from the independent scorer under the rule tables as they ship; that the tables of the
warehouse say the same as the scorer is the business of `test_exactness.py`.
"""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from orchestration.measures.rules import cell_map
from orchestration.rules import read_rules
from tests.oracle import Interval, Label, Oracle
from tests.worlds import SETTINGS, Order, Refund, Row, World

REPOSITORY = Path(__file__).parents[1]
RULES_DIR = REPOSITORY / "seeds" / "rules"
SHIPPED = read_rules(RULES_DIR)
START = date(2024, 1, 1)
TODAY = date(2026, 6, 30)


def table(name: str) -> list[Row]:
    with (RULES_DIR / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def shop(
    *orders: Order, preset: str = "default", as_of: date = TODAY, refunds: tuple[Refund, ...] = ()
) -> Oracle:
    """A shop under the shipped rules and the shipped fixed cut points, so that hands can follow."""
    return Oracle(
        World(
            orders=list(orders),
            refunds=list(refunds),
            merges=[],
            settings=SETTINGS | {"score_method": "fixed", "segment_preset": preset},
            as_of=as_of,
            segment_rules=table("segment_rules"),
            lifecycle_stages=table("lifecycle_stages"),
            fixed_score_cuts=table("fixed_score_cuts"),
        )
    )


def order(number: int, day: date, amount: str = "10") -> Order:
    return Order(str(number), "ann", day, Decimal(amount))


def nine_orders(day: date = START) -> list[Order]:
    """Enough orders and money for the top scores of the shipped cut points."""
    return [order(number, day, "150") for number in range(9)]


def after(oracle: Oracle, days: int) -> Label:
    label = oracle.label("ann", START + timedelta(days=days))
    assert label is not None
    return label


def code(label: Label) -> str:
    return f"{label.r_score}{label.f_score}{label.m_score}"


# Days


@pytest.mark.parametrize(
    ("days", "stage"),
    [
        (0, "new"),
        (30, "new"),
        (31, "active"),
        (60, "active"),
        (61, "at_risk"),
        (89, "at_risk"),
        (90, "at_risk"),
        (91, "dormant"),
        (180, "dormant"),
        (181, "lost"),
    ],
)
def test_stage_after_a_single_order(days: int, stage: str) -> None:
    assert after(shop(order(1, START)), days).lifecycle_stage == stage


@pytest.mark.parametrize(
    ("age", "stage"), [(30, "new"), (31, "active"), (180, "active"), (181, "active")]
)
def test_who_keeps_buying_is_active_at_any_age(age: int, stage: str) -> None:
    orders = [order(number, START + timedelta(days=20 * number)) for number in range(12)]
    assert after(shop(*orders), age).lifecycle_stage == stage


def test_new_by_days_is_not_new_by_scores() -> None:
    label = after(shop(*nine_orders()), 20)
    assert (label.lifecycle_stage, label.segment, code(label)) == ("new", "champions", "555")


def test_an_order_count_is_reached_on_a_day() -> None:
    orders = [order(number, START + timedelta(days=10 * number)) for number in range(4)]
    reached = [one for one in shop(*orders).timeline("ann") if one.label.orders == 3]
    assert (reached[0].valid_from, reached[0].cause) == (date(2024, 1, 21), "bought")


# Codes


def test_classic_codes_of_four_customers() -> None:
    good = shop(*nine_orders(), preset="classic")
    small = shop(order(1, START), preset="classic")
    told = [after(oracle, days) for oracle in (good, small) for days in (0, 181)]
    assert [(code(label), label.segment) for label in told] == [
        ("555", "vip"),
        ("155", "at_risk"),
        ("511", "new"),
        ("111", "lost"),
    ]


@pytest.mark.parametrize(
    ("preset", "segment"),
    [("default", "hibernating"), ("classic", "lost"), ("eleven", "lost"), ("five", "lapsed")],
)
def test_111_is_a_single_small_order_long_ago(preset: str, segment: str) -> None:
    label = after(shop(order(1, START), preset=preset), 181)
    assert (code(label), label.orders, label.segment) == ("111", 1, segment)


def test_a_silent_champion_is_at_risk_within_weeks() -> None:
    told = shop(*nine_orders()).timeline("ann")
    first = {}
    for one in told:
        first.setdefault(one.label.segment, (one.valid_from - START).days)
    assert code(told[0].label) == "555"
    assert first == {"champions": 0, "loyal_customers": 61, "at_risk": 91, "cant_lose_them": 181}
    assert first["at_risk"] <= 13 * 7
    assert {one.cause for one in told[1:]} == {"aged"}
    assert after(shop(*nine_orders()), 61).lifecycle_stage == "at_risk"


@pytest.mark.parametrize(
    ("segment", "codes"),
    [
        ("champions", "555 554 444"),
        ("loyal_customers", "553 453 354 344"),
        ("at_risk", "255 245 244"),
        ("cant_lose_them", "155 145 134"),
        ("new_customers", "511 512"),
        ("potential_loyalists", "533 433 532"),
        ("hibernating", "111 122 112"),
    ],
)
def test_default_map_gives_the_names_that_the_guides_describe(segment: str, codes: str) -> None:
    mapped = cell_map(SHIPPED.segment_rules, "default", TODAY)
    for r, f, m in codes.split():
        assert mapped[int(r), int(f), int(m)] == segment


def test_default_map_has_neither_too_many_nor_too_few_segments() -> None:
    assert 5 <= len(set(cell_map(SHIPPED.segment_rules, "default", TODAY).values())) <= 7


def test_of_several_fitting_segments_priority_picks_one() -> None:
    assert cell_map(SHIPPED.segment_rules, "default", TODAY)[5, 5, 5] == "champions"
    turned = [
        replace(rule, priority=5) if rule.segment == "loyal_customers" else rule
        for rule in SHIPPED.segment_rules
    ]
    assert cell_map(turned, "default", TODAY)[5, 5, 5] == "loyal_customers"


# Actions


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ("new", ("onboarding", "second order")),
        ("active", ("cross-sell",)),
        ("dormant", ("winback",)),
        ("lost", ("reactivation", "archive")),
    ],
)
def test_a_stage_says_what_is_done(stage: str, words: tuple[str, ...]) -> None:
    actions = {row.stage: row.action.lower() for row in SHIPPED.lifecycle_stages}
    assert all(word in actions[stage] for word in words)


@pytest.mark.parametrize(("preset", "segment"), [("default", "champions"), ("classic", "vip")])
def test_the_best_get_early_access_instead_of_a_discount(preset: str, segment: str) -> None:
    (best,) = [row for row in SHIPPED.segments if (row.preset, row.segment) == (preset, segment)]
    assert "early access" in best.action.lower()
    assert best.rank == max(row.rank for row in SHIPPED.segments if row.preset == preset)


# The example of docs/concepts.md


def written(one: Interval) -> list[str]:
    label = one.label
    return [
        one.valid_from.isoformat(),
        one.cause,
        code(label),
        label.segment or "",
        label.lifecycle_stage,
        str(label.orders),
        f"{label.monetary:.2f}",
    ]


def test_the_worked_example_is_right() -> None:
    oracle = shop(
        order(1, date(2024, 1, 10), "60"),
        order(2, date(2024, 3, 20), "100"),
        order(3, date(2024, 10, 1), "300"),
        refunds=(Refund("a", "2", date(2024, 3, 25), Decimal(20)),),
        as_of=date(2024, 11, 15),
    )
    text = (REPOSITORY / "docs" / "concepts.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if re.match(r"\| \d{4}-\d\d-\d\d", line)
    ]
    told = oracle.timeline("ann")
    assert [row[:7] for row in rows] == [written(one) for one in told]
    assert [row[0] for row in rows if row[7] == "ahead"] == [
        one.valid_from.isoformat() for one in told if one.is_projected
    ]
