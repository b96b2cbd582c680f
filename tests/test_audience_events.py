"""Who entered and left an audience, worked out again day by day from what everybody was then."""

from __future__ import annotations

import csv
import random
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from orchestration.overlay import rules_dir
from orchestration.rules import read_activation_limits, read_audiences
from tests.compiled import Compiler
from tests.oracle import DAY, Oracle
from tests.worlds import SETTINGS, World, world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.conftest import Installation

AS_OF = date(2026, 6, 30)
# Worlds with merges and refunds, so that one compilation does for all, and in which much happens.
SEEDS = (1, 16, 23, 49, 51, 69, 75)
SEEN = {
    *("bought", "aged", "window_exit", "rules_changed", "corrected", "merged", "created"),
    "days_passed",
}
EVENTS = "select audience, customer_id, event_date, event from activation.audience_events"


@dataclass(frozen=True)
class Conditions:
    """Whom an audience describes; None asks for nothing."""

    audience: str
    kind: str
    within_days: int | None
    segments: str | None
    stages: str | None
    min_orders: int | None
    max_orders: int | None
    min_monetary: Decimal | None
    min_silence_days: int | None
    max_silence_days: int | None


@dataclass(frozen=True)
class State:
    """What a customer is on a day; the silence of who never ordered is None."""

    segment: str | None
    stage: str
    orders: int
    monetary: Decimal
    silence: int | None


States = dict[date, State]


def is_described(of: Conditions, state: State | None) -> bool:
    if state is None:
        return False
    if of.min_silence_days is not None or of.max_silence_days is not None:
        if state.silence is None:
            return False
        if of.min_silence_days is not None and state.silence < of.min_silence_days:
            return False
        if of.max_silence_days is not None and state.silence > of.max_silence_days:
            return False
    return (
        (not of.segments or state.segment in of.segments.split("|"))
        and (not of.stages or state.stage in of.stages.split("|"))
        and state.orders >= (of.min_orders or 0)
        and (of.max_orders is None or state.orders <= of.max_orders)
        and (of.min_monetary is None or state.monetary >= of.min_monetary)
    )


def is_candidate(of: Conditions, states: States, day: date) -> bool:
    here = is_described(of, states.get(day))
    if of.kind == "state":
        return here
    days = timedelta(days=of.within_days or 0)
    if of.kind == "about_to_leave":
        return here and not is_described(of, states.get(day + days))
    then = is_described(of, states.get(day - days))
    if of.kind == "entering":
        return here and not then
    return not here and then and day in states


def expected_events(
    audiences: Iterable[Conditions], people: dict[str, States], as_of: date, days: int
) -> set[tuple[str, str, date, str]]:
    """Compare each day of the log with the day before it, for everybody and every audience."""
    found = set()
    for of in audiences:
        # What lies ahead is known of one day.
        length = 1 if of.kind == "about_to_leave" else days
        for customer, states in people.items():
            for number in range(length):
                day = as_of - timedelta(days=number)
                now, before = (is_candidate(of, states, one) for one in (day, day - DAY))
                if now != before:
                    found.add((of.audience, customer, day, "entered" if now else "left"))
    return found


# Random worlds, with the labels of the independent scorer


def random_audiences(draw: random.Random) -> list[dict[str, Any]]:
    """Audiences of every kind, with conditions narrow enough to be entered and left."""
    rows: list[dict[str, Any]] = [
        dict.fromkeys(Conditions.__annotations__)
        | {"audience": "prospects", "preset": "*", "kind": "state", "stages": "prospect"}
    ]
    for number, kind in enumerate(
        ("state", "state", "state", "entering", "entering", "leaving", "leaving", "about_to_leave")
    ):
        low, high = sorted(draw.sample(range(70), 2))
        rows.append(
            {
                "audience": f"{kind}_{number}",
                "preset": draw.choice(("*", "default")),
                "kind": kind,
                "within_days": None if kind == "state" else draw.choice((1, 3, 14)),
                "segments": draw.choice((None, None, None, "at_risk|champions", "new_customers")),
                "stages": draw.choice((None, None, None, "active|new", "prospect", "at_risk")),
                "min_orders": draw.choice((None, 1, 2)),
                "max_orders": draw.choice((None, None, 3)),
                "min_monetary": draw.choice((None, None, "10", "30.5")),
                "min_silence_days": draw.choice((None, low)),
                "max_silence_days": draw.choice((None, high)),
            }
        )
    return rows


def shop(seed: int) -> World:
    """A random world with merges and refunds, whose orders leave the window of the scores."""
    made = world(seed)
    chance = random.Random(seed)
    recorded = [
        (person, None, None, None, made.as_of - timedelta(days=chance.randint(-3, 60)))
        for person in [*sorted({one.customer_id for one in made.orders}), "prospect"]
        if chance.random() < 0.6
    ]
    days = {"events_days": chance.choice((30, 150)), "responses_days": 9}
    return replace(
        made,
        settings=SETTINGS | {"rfm_window_days": 20, "calibrate": "monthly"},
        people={"customers": recorded},
        rules={
            "audiences": random_audiences(chance),
            "activation_limits": [
                {"name": name, "value": value, "reason": "why"} for name, value in days.items()
            ],
        },
    )


def states_of(oracle: Oracle, customer: str, created: date | None, days: list[date]) -> States:
    found = {}
    for day in days:
        label = oracle.label(customer, day)
        if label is not None:
            found[day] = State(
                label.segment,
                label.lifecycle_stage,
                label.orders,
                label.monetary,
                (day - label.last_order_date).days,
            )
        elif created is not None and created <= day:
            found[day] = State(None, "prospect", 0, Decimal(0), None)
    return found


def expected_cause(
    of: Conditions, oracle: Oracle, states: States, customer: str, day: date
) -> str | None:
    """Say why a customer entered or left, where it follows from the states of two days alone."""
    before, now = states.get(day - DAY), states.get(day)
    if is_described(of, before) == is_described(of, now) and (before is None) == (now is None):
        return "days_passed"
    if now is None:
        return "merged"
    if oracle.label(customer, day) is None:
        return "created" if before is None else "merged"
    labels = [oracle.label(customer, one) for one in (day - DAY, day)]
    cause = oracle.cause(customer, day) if labels[0] != labels[1] else None
    if cause == "bought" or labels[0] is None:
        return cause
    last_orders = {label.last_order_date for label in labels if label is not None}
    assert before is not None
    bounds = {of.min_silence_days, None if of.max_silence_days is None else of.max_silence_days + 1}
    return "aged" if len(last_orders) == 1 and now.silence in bounds else cause


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Compiler:
    return Compiler(tmp_path_factory.mktemp("compiled"), with_activation=True)


def test_events_are_the_days_on_which_the_answer_changes(compiler: Compiler) -> None:
    causes: Counter[str] = Counter()
    for seed in SEEDS:
        causes += assert_events(compiler, shop(seed))
    assert causes.keys() == SEEN


def assert_events(compiler: Compiler, world: World) -> Counter[str]:
    oracle = Oracle(world)
    length = int(world.rules["activation_limits"][0]["value"])
    audiences = {row["audience"]: conditions(row) for row in world.rules["audiences"]}
    days = [world.as_of + timedelta(days=number) for number in range(-length - 15, 15)]
    merged = {
        merge.customer_id
        for merge in world.merges
        if merge.merge_date is None or merge.merge_date <= world.as_of
    }
    created = {row[0]: row[4] for row in world.people["customers"] if row[0] not in merged}
    people = {
        customer: states_of(oracle, customer, created.get(customer), days)
        for customer in {*oracle.customers, *created}
    }
    with compiler.build(world) as connection:
        found = connection.execute(
            EVENTS.replace(
                "event from",
                "event, cause, from_segment, to_segment, from_stage, to_stage, orders from",
            )
        ).fetchall()
    assert {row[:4] for row in found} == expected_events(
        audiences.values(), people, world.as_of, length
    )
    for audience, customer, day, _, cause, *told in found:
        states = people[customer]
        before, now = states.get(day - DAY), states.get(day)
        assert cause == expected_cause(audiences[audience], oracle, states, customer, day)
        counted = now or before
        assert counted is not None
        assert told == [
            before and before.segment,
            now and now.segment,
            before and before.stage,
            now and now.stage,
            counted.orders,
        ]
    return Counter(row[4] for row in found)


def conditions(row: dict[str, Any]) -> Conditions:
    money = row["min_monetary"]
    return Conditions(
        **{name: row[name] for name in Conditions.__annotations__ if name != "min_monetary"},
        min_monetary=None if money is None else Decimal(money),
    )


# The sample shop


def states_by_day(
    path: Path, first: date, last: date, created: Callable[[str], date | None]
) -> dict[str, States]:
    """What the history says of everybody on each of these days."""
    with duckdb.connect(path, read_only=True) as connection:
        timeline = connection.execute(
            "select customer_id, valid_from, valid_to, segment, lifecycle_stage, orders, monetary,"
            " last_order_date from marts.customer_timeline"
        ).fetchall()
        customers = connection.execute("select customer_id from marts.customers").fetchall()
    people: dict[str, States] = {customer: {} for (customer,) in customers}
    for customer, start, end, segment, stage, orders, monetary, last_order in timeline:
        day = max(start, first)
        while day < end and day <= last:
            people[customer][day] = State(segment, stage, orders, monetary, (day - last_order).days)
            day += DAY
    for customer, states in people.items():
        since = created(customer)
        for number in range((last - first).days + 1) if since else ():
            day = first + timedelta(days=number)
            if since is not None and since <= day:
                states.setdefault(day, State(None, "prospect", 0, Decimal(0), None))
    return people


def sample_rows(shop: Installation, name: str) -> list[dict[str, str]]:
    path = shop.root / "seeds" / "sample" / f"raw_{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_log_of_the_sample_shop_is_every_difference_of_two_days(
    sample_shop: Installation,
) -> None:
    rules = rules_dir(sample_shop.settings, sample_shop.config)
    audiences = [
        Conditions(**{name: getattr(row, name) for name in Conditions.__annotations__})
        for row in read_audiences(rules).audiences
        if row.preset in {"*", "default"}
    ]
    days = int(read_activation_limits(rules).events_days)
    recorded = {row["customer_id"] for row in sample_rows(sample_shop, "customers")}
    margin = timedelta(days=max(row.within_days or 0 for row in audiences) + 1)
    people = states_by_day(
        sample_shop.settings.warehouse_path,
        AS_OF - timedelta(days=days) - margin,
        AS_OF + margin,
        # The records of the sample shop do not say since when.
        lambda customer: date.min if customer in recorded else None,
    )
    with duckdb.connect(
        sample_shop.settings.published_dir / "lifestage.duckdb", read_only=True
    ) as shown:
        found = shown.execute(
            "select audience, customer_id, event_date, event, cause from published.audience_events"
        ).fetchall()
    assert {row[:4] for row in found} == expected_events(audiences, people, AS_OF, days)
    assert {row[0] for row in found} == {row.audience for row in audiences}

    order_days = {
        (row["customer_id"], row["ordered_at"][:10])
        for row in sample_rows(sample_shop, "orders")
        if row["status"] != "cancelled"
    }
    for _, customer, day, _, cause in found:
        has_ordered = (customer, day.isoformat()) in order_days
        assert has_ordered if cause == "bought" else cause == "days_passed" or not has_ordered
