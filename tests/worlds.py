"""Small random shops: everything the timeline depends on, as plain values.

A world holds input rows in the form of the input contract, the settings under their dbt names,
and the rule tables in the form of their seed files. Only worlds about campaigns hold people.
`worlds()` is the hypothesis strategy, `world(seed)` the same by a number, for runs that need a
fixed list. Nothing here computes an answer.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

Row = dict[str, str]
CENT = Decimal("0.01")
STATUS_KINDS = {"completed": "counted", "cancelled": "cancelled", "refunded": "refunded"}


@dataclass(frozen=True)
class Order:
    order_id: str
    customer_id: str
    ordered_at: date
    amount: Decimal
    status: str = "completed"
    refunded_amount: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    channel: str | None = None
    items: int | None = None


@dataclass(frozen=True)
class Refund:
    refund_id: str
    order_id: str
    refund_date: date
    amount: Decimal


@dataclass(frozen=True)
class Merge:
    customer_id: str
    merged_into: str
    merge_date: date | None


@dataclass(frozen=True)
class World:
    orders: list[Order]
    refunds: list[Refund]
    merges: list[Merge]
    settings: dict[str, Any]
    as_of: date
    segment_rules: list[Row]
    lifecycle_stages: list[Row]
    fixed_score_cuts: list[Row] = field(default_factory=list)
    status_kinds: dict[str, str] = field(default_factory=lambda: dict(STATUS_KINDS))
    people: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    rules: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # replace shipped ones


SETTINGS: dict[str, Any] = {
    "segment_preset": "default",
    "score_method": "quantile",
    "calibrate": "quarterly",
    "min_calibration_customers": 3,
    "min_calibration_days": 0,
    "tie_rule": "together",
    "cut_side": "above",
    "rfm_window_days": None,
    "monetary_measure": "net",
    "monetary_aggregate": "total",
    "count_zero_value_orders": False,
}


def box(
    segment: str,
    priority: int,
    *,
    r: tuple[int, int] = (1, 5),
    f: tuple[int, int] = (1, 5),
    m: tuple[int, int] = (1, 5),
    valid_from: str = "2000-01-01",
    preset: str = "default",
) -> Row:
    """One row of segment_rules.csv."""
    bounds = zip(("r_min", "r_max", "f_min", "f_max", "m_min", "m_max"), (*r, *f, *m), strict=True)
    return {
        "preset": preset,
        "valid_from": valid_from,
        "priority": str(priority),
        "segment": segment,
    } | {name: str(value) for name, value in bounds}


FIRST_RULES = [
    box("champions", 10, r=(4, 5), f=(4, 5), m=(4, 5)),
    box("loyal_customers", 20, r=(3, 5), f=(3, 5)),
    box("new_customers", 30, r=(4, 5)),
    box("at_risk", 40, r=(1, 2), f=(3, 5)),
    box("hibernating", 50),
]
SECOND_RULES = [
    box("champions", 10, r=(5, 5), f=(3, 5)),
    box("at_risk", 20, r=(1, 1)),
    box("loyal_customers", 30, m=(3, 5)),
    box("hibernating", 40),
]


def stages(
    *, new: int = 30, at_risk: int = 61, dormant: int = 91, lost: int = 181, back: int = 30,
    valid_from: str = "2000-01-01",
) -> list[Row]:  # fmt: skip
    """Rows of lifecycle_stages.csv with the given bounds."""
    rows = [
        ("prospect", "no_order", "", "", ""),
        ("new", "since_first_order", "0", str(new), ""),
        ("active", "otherwise", "", "", ""),
        ("at_risk", "silence", str(at_risk), str(dormant - 1), ""),
        ("dormant", "silence", str(dormant), str(lost - 1), ""),
        ("lost", "silence", str(lost), "", ""),
        ("reactivated", "since_return", "0", str(back), str(lost)),
    ]
    names = ("stage", "clock", "from_day", "to_day", "after_gap_days")
    return [{"valid_from": valid_from, **dict(zip(names, row, strict=True))} for row in rows]


def cuts(
    recency: tuple[int, ...] = (7, 30, 60, 120),
    frequency: tuple[int, ...] = (1, 2, 3, 5),
    monetary: tuple[int, ...] = (10, 40, 100, 300),
    valid_from: str = "2000-01-01",
) -> list[Row]:
    """Rows of fixed_score_cuts.csv."""
    metrics = {"recency": recency, "frequency": frequency, "monetary": monetary}
    return [
        {"valid_from": valid_from, "metric": metric, "cut": str(place), "value": str(value)}
        for metric, values in metrics.items()
        for place, value in enumerate(values, start=1)
    ]


def world(seed: int) -> World:
    """The random world of this number, the same on every machine."""
    return _build(random.Random(seed))


def worlds() -> st.SearchStrategy[World]:
    """Random worlds for hypothesis, which shrinks the draws behind them."""
    return st.randoms(use_true_random=False).map(_build)


def _build(draw: random.Random) -> World:
    start = date(draw.choice((2023, 2024)), draw.choice((1, 2, 6, 11)), draw.choice((1, 27)))
    length = draw.choice((40, 150, 420))
    as_of = start + timedelta(days=length)
    people = [f"c{number}" for number in range(draw.choice((1, 2, 4, 7)))]
    orders = [
        order
        for number, person in enumerate(people)
        for order in _orders(draw, person, number, start, length)
    ]
    if len(people) > 3:  # two customers who do the same on the same days
        orders += [
            Order(f"twin-{order.order_id}", "twin", order.ordered_at, order.amount, order.status,
                  order.refunded_amount, order.cost)
            for order in orders if order.customer_id == people[0]
        ]  # fmt: skip
        people.append("twin")
    # Somebody has bought lately, so that the newest scorecard has somebody to be cut on.
    orders.append(
        Order("anchor", people[0], as_of - timedelta(days=draw.randint(0, 5)), Decimal("12.5"))
    )
    settings = _settings(draw)
    rules, lifecycle = _rule_versions(draw, start, length)
    fixed = cuts()
    if draw.random() < 0.5:
        later = start + timedelta(days=draw.randint(1, length + 20))
        fixed += cuts((3, 10, 20, 40), (1, 2, 4, 8), (20, 50, 60, 90), later.isoformat())
    return World(
        orders=orders,
        refunds=_refunds(draw, orders, length),
        merges=_merges(draw, people, start, length),
        settings=settings,
        as_of=as_of,
        segment_rules=rules,
        lifecycle_stages=lifecycle,
        fixed_score_cuts=fixed,
    )


def _orders(draw: random.Random, person: str, number: int, start: date, length: int) -> list[Order]:
    count = draw.choice((1, 1, 2, 4, 9))
    begin = draw.randint(0, length)
    rhythm = draw.choice(("burst", "spread", "steady"))
    found = []
    for place in range(count):
        if rhythm == "burst":
            day = begin + draw.randint(0, 2)
        elif rhythm == "steady":
            day = begin + place * draw.choice((7, 31, 200))
        else:
            day = draw.randint(0, length + 30)  # some lie after the as-of date
        amount = draw.choice(
            (
                Decimal(0),
                Decimal("9.99"),
                Decimal(10),
                Decimal(10),
                Decimal("33.3333"),
                Decimal(250),
            )
        )
        status = draw.choices(("completed", "cancelled", "refunded"), (8, 1, 1))[0]
        refunded = amount if status == "refunded" else Decimal(0)
        if status == "completed" and draw.random() < 0.15:
            refunded = (amount / 2).quantize(CENT)
        found.append(
            Order(
                order_id=f"o{number}-{place}",
                customer_id=person,
                ordered_at=start + timedelta(days=day),
                amount=amount,
                status=status,
                refunded_amount=refunded,
                cost=draw.choice((Decimal(0), Decimal("4.05"), Decimal(20))),
                channel=("web", "app", None, "store")[(number + place) % 4],
                items=(1, 3, None, 1)[(number + 2 * place) % 4],
            )
        )
    return found


def _refunds(draw: random.Random, orders: list[Order], length: int) -> list[Refund]:
    """Refunds that never exceed what is left of their order, so that all are accepted."""
    found = []
    for order in orders:
        left = order.amount - order.refunded_amount
        if order.status != "completed" or left <= CENT or draw.random() > 0.2:
            continue
        parts = draw.choice((1, 2))
        for part in range(parts):
            day = order.ordered_at + timedelta(days=draw.choice((0, 1, 14, length // 2)))
            amount = (left / parts).quantize(CENT, rounding="ROUND_DOWN")
            found.append(Refund(f"r{part}-{order.order_id}", order.order_id, day, amount))
    return found


def _merges(draw: random.Random, people: list[str], start: date, length: int) -> list[Merge]:
    """Merges towards later names only, so that there are chains but no cycles."""
    if len(people) < 2 or draw.random() < 0.5:
        return []
    found = []
    for place, person in enumerate(people[:-1]):
        if draw.random() < 0.4:
            day = start + timedelta(days=draw.randint(0, length + 20))
            found.append(
                Merge(person, draw.choice(people[place + 1 :]), draw.choice((day, day, None)))
            )
    return found


def _settings(draw: random.Random) -> dict[str, Any]:
    return SETTINGS | {
        "score_method": draw.choices(("quantile", "fixed"), (4, 1))[0],
        "calibrate": draw.choice(("quarterly", "quarterly", "monthly", "yearly", "as_of", "once")),
        "min_calibration_customers": draw.choice((1, 2, 4, 100)),
        "min_calibration_days": draw.choice((0, 60)),
        "cut_side": draw.choice(("above", "at_or_above")),
        "rfm_window_days": draw.choice((None, None, 20, 90)),
        "monetary_measure": draw.choice(("net", "gross", "margin")),
        "monetary_aggregate": draw.choice(("total", "average")),
        "count_zero_value_orders": draw.random() < 0.3,
    }


def _rule_versions(draw: random.Random, start: date, length: int) -> tuple[list[Row], list[Row]]:
    rules, lifecycle = list(FIRST_RULES), stages()
    if draw.random() < 0.5:
        day = (start + timedelta(days=draw.randint(0, length + 20))).isoformat()
        rules += [row | {"valid_from": day} for row in SECOND_RULES]
    if draw.random() < 0.5:
        day = (start + timedelta(days=draw.randint(0, length + 20))).isoformat()
        lifecycle += stages(new=7, at_risk=20, dormant=40, lost=60, back=10, valid_from=day)
    return rules, lifecycle
