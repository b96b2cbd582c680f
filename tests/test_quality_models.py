"""What the checks are computed from, against the timeline and the orders read one by one."""

from __future__ import annotations

import json
import math
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from statistics import median, pstdev
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.compiled import AS_OF, Compiler, variables
from tests.nights import shared_nights
from tests.nights import shop as shop_nights
from tests.oracle import Oracle
from tests.warehouse import Warehouse
from tests.worlds import SETTINGS, Merge, Order, Refund, World, world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import duckdb

DAY = timedelta(days=1)
CAUSES = ("bought", "aged", "window_exit", "recalibrated", "rules_changed", "corrected", "merged")
BLOCKS = [(1, 0), *((7, block) for block in range(9)), *((30, block) for block in range(7))]
WORLDS_EACH = 4
# Every way in which money and windows are counted, each with a population that is often cut.
VARIANTS = {
    "totals": {},
    "window": {
        "rfm_window_days": 90,
        "monetary_measure": "margin",
        "calibrate": "monthly",
        "cut_side": "at_or_above",
    },
    "averages": {
        "monetary_aggregate": "average",
        "monetary_measure": "gross",
        "calibrate": "as_of",
    },
    "fixed": {"score_method": "fixed", "count_zero_value_orders": True, "rfm_window_days": 20},
}
PLAIN = "plain"  # a shop that delivers orders alone


class Held(NamedTuple):
    """What the timeline says of a customer on a day."""

    segment: str
    stage: str
    orders: int
    monetary: Decimal
    last_order: date


@dataclass
class Shop:
    """A world, the database that was built on it, and what the timeline says by the day."""

    world: World
    connection: duckdb.DuckDBPyConnection
    oracle: Oracle
    held: dict[date, dict[str, Held]]

    @property
    def as_of(self) -> date:
        return self.world.as_of

    @property
    def segments(self) -> list[str]:
        preset = self.world.settings["segment_preset"]
        rules = self.world.segment_rules
        return sorted({row["segment"] for row in rules if row["preset"] == preset})

    def ago(self, days: int) -> date:
        return self.as_of - timedelta(days=days)

    def on(self, day: date) -> dict[str, Held]:
        return self.held.get(day, {})

    def orders(self, first: date, last: date) -> list[Order]:
        """Counted orders of the days, both included."""
        return [
            order
            for order in self.world.orders
            if self.oracle.is_counted(order) and first <= order.ordered_at <= last
        ]

    def all_orders(self) -> list[Order]:
        return self.orders(date.min, self.as_of)

    def ordered(self, customer: str, first: date, last: date) -> list[Any]:
        """What happened to a customer on the days, under the account that it had that day."""
        return [
            event
            for event in self.oracle.events
            if first <= event.day <= last
            and self.oracle.owner(event.customer, event.day) == customer
        ]

    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        named = ", ".join(columns) or "*"
        return self.connection.execute(
            f"select {named} from quality.quality_{table} order by all"
        ).fetchall()


def days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += DAY


def read(made: World, connection: duckdb.DuckDBPyConnection) -> Shop:
    held: dict[date, dict[str, Held]] = defaultdict(dict)
    timeline = connection.execute(
        "select customer_id, valid_from, valid_to, segment, lifecycle_stage, orders, monetary,"
        " last_order_date from marts.customer_timeline where not is_projected"
    ).fetchall()
    for customer, start, end, *state in timeline:
        for day in days(start, min(end - DAY, made.as_of)):
            held[day][customer] = Held(*state)
    return Shop(made, connection, Oracle(made), held)


def worlds_of(variant: str) -> list[World]:
    """The first worlds with all inputs, or with orders alone; half of them reach a year back."""
    found: dict[bool, list[World]] = {True: [], False: []}
    seed = 0
    while min(map(len, found.values())) * 2 < WORLDS_EACH:
        made = world(seed)
        seed += 1
        if variant == PLAIN:
            made = replace(made, refunds=[], merges=[])
        elif not (made.refunds and made.merges):
            continue
        is_long = min(order.ordered_at for order in made.orders) <= made.as_of - 391 * DAY
        settings = SETTINGS | VARIANTS.get(variant, {})
        found[is_long].append(replace(made, settings=settings))
    return [made for kind in found.values() for made in kind[: WORLDS_EACH // 2]]


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Compiler:
    return Compiler(tmp_path_factory.mktemp("compiled"), with_quality=True)


@pytest.fixture(scope="module", params=[*VARIANTS, PLAIN])
def shops(compiler: Compiler, request: pytest.FixtureRequest) -> Iterator[list[Shop]]:
    found = [read(made, compiler.build(made)) for made in worlds_of(request.param)]
    yield found
    for shop in found:
        shop.connection.close()


# Sources


def test_arrivals_reach_to_the_newest_accepted_event(shops: list[Shop]) -> None:
    for shop in shops:
        orders = [order for order in shop.world.orders if order.ordered_at <= shop.as_of]
        newest = max((order.ordered_at for order in orders), default=None)
        expected = {"orders": (len(orders), newest)}
        if shop.world.refunds:
            paid = [one.refund_date for one in shop.world.refunds if one.refund_date <= shop.as_of]
            expected["refunds"] = (len(paid), max(paid, default=None))
        assert shop.rows("source_arrivals") == sorted(
            (source, count, day and datetime.combine(day, datetime.min.time()))
            for source, (count, day) in expected.items()
        )


def test_series_are_dense_and_count_each_day(shops: list[Shop]) -> None:
    for shop in shops:
        orders = shop.all_orders()
        first = min(order.ordered_at for order in orders)
        counts = Counter(("orders", "all", order.ordered_at) for order in orders)
        firsts = first_orders(shop)
        counts.update(("new_customers", "all", day) for day in firsts.values())
        recent = [order.channel for order in shop.orders(shop.ago(364), shop.as_of)]
        channels = {name for name in recent if name and recent.count(name) * 100 >= len(recent)}
        counts.update(
            ("channel_orders", order.channel, order.ordered_at)
            for order in orders
            if order.channel in channels
        )
        subjects = [("orders", "all"), ("new_customers", "all")]
        subjects += [("channel_orders", name) for name in channels]
        expected = [
            (*subject, day, counts[(*subject, day)])
            for subject in subjects
            for day in days(max(first, shop.ago(800)), shop.as_of)
        ]
        assert shop.rows("daily_series") == sorted(expected)


def first_orders(shop: Shop) -> dict[str, date]:
    """Day on which each customer got a first label by an order of their own."""
    found = {}
    for day in sorted(shop.held):
        for customer in shop.on(day):
            if customer in shop.on(day - DAY) or customer in found:
                continue
            if any(event.counted for event in shop.ordered(customer, day, day)):
                found[customer] = day
    return found


def test_both_sides_of_every_identity_are_what_the_orders_say(shops: list[Shop]) -> None:
    for shop in shops:
        now = shop.on(shop.as_of).values()
        received = sum((order.amount for order in shop.world.orders), Decimal(0))
        monetary = sum((held.monetary for held in now), Decimal(0))
        expected = {
            "orders_rows": Decimal(len(shop.world.orders)),
            "orders_money": received,
            "segments_customers": Decimal(len(now)),
            "segments_money": monetary,
        }
        if shop.world.settings["monetary_aggregate"] == "total":
            expected["timeline_money"] = money_in_force(shop, lambda customer: True)
            if shop.world.merges:
                relatives = set(shop.oracle.merges)
                relatives |= {one.merged_into for one in shop.oracle.merges.values()}
                expected["merge_money"] = money_in_force(shop, relatives.__contains__)
        assert shop.rows("conservation") == sorted(
            (name, value, value) for name, value in expected.items()
        )


def money_in_force(shop: Shop, is_meant: Callable[[str], bool]) -> Decimal:
    window = shop.world.settings["rfm_window_days"]
    since = shop.ago(window) if window else date.min
    events = shop.oracle.events
    money = [one.money for one in events if one.day > since and is_meant(one.customer)]
    return sum(money, Decimal(0))


# Drift


def windows(shop: Shop) -> tuple[tuple[date, date], tuple[date, date]]:
    """The 28 days that are compared with, and those of today."""
    orders = shop.all_orders()
    year_before = shop.ago(28 + 364 - 1), shop.ago(364)
    current = shop.ago(27), shop.as_of
    if min(order.ordered_at for order in orders) <= year_before[0] and shop.orders(*year_before):
        return year_before, current
    return (shop.ago(55), shop.ago(28)), current


Samples = tuple[list[Fraction], list[Fraction]]


def samples(shop: Shop) -> dict[tuple[str, str], Samples]:
    """The values then and now, by feature and comparison."""
    found: dict[tuple[str, str], Samples] = {}
    card = shop.oracle.scorecard(shop.as_of).scorecard_id.split("-", 1)[1]
    calibrated_on = date.fromisoformat(card)
    then = shop.oracle.population(calibrated_on).values() if calibrated_on <= shop.as_of else []
    now = [held for held in shop.on(shop.as_of).values() if held.orders > 0]
    for feature, before, after in (
        (
            "recency",
            [(calibrated_on - state.last_order).days for state in then],
            [(shop.as_of - held.last_order).days for held in now],
        ),
        ("frequency", [state.orders for state in then], [held.orders for held in now]),
        ("monetary", [state.monetary for state in then], [held.monetary for held in now]),
    ):
        found[feature, "scorecard"] = exact(before), exact(after)
    reference, current = windows(shop)
    for comparison, one, other in (
        ("flow", reference, current),
        ("day", (shop.ago(28), shop.ago(1)), (shop.as_of, shop.as_of)),
    ):
        found["order_value", comparison] = (
            exact(order.amount for order in shop.orders(*one)),
            exact(order.amount for order in shop.orders(*other)),
        )
    found["items", "flow"] = (
        exact(order.items for order in shop.orders(*reference) if order.items is not None),
        exact(order.items for order in shop.orders(*current) if order.items is not None),
    )
    return found


def exact(values: Iterable[Decimal | int]) -> list[Fraction]:
    return sorted(Fraction(value) for value in values)


def decile_edges(values: list[Fraction]) -> list[Fraction]:
    """The lowest values up to which there is each tenth of the values."""
    found = []
    for tenth in range(1, 10):
        edge = next(
            value for place, value in enumerate(values, 1) if place * 10 >= len(values) * tenth
        )
        if edge not in found:
            found.append(edge)
    return found


def test_bins_are_cut_at_the_deciles_of_the_reference(shops: list[Shop]) -> None:
    seen = Counter[str]()
    for shop in shops:
        expected = []
        for (feature, comparison), (before, after) in samples(shop).items():
            if comparison == "day" or not before:
                continue
            seen[feature] += 1
            edges = decile_edges(before)
            for number in range(len(edges) + 1):
                above = edges[number - 1] if number else -math.inf
                up_to = edges[number] if number < len(edges) else math.inf
                counts = [
                    sum(above < value <= up_to for value in values) for values in (before, after)
                ]
                edge = Decimal(edges[min(number, len(edges) - 1)].numerator) / Decimal(
                    edges[min(number, len(edges) - 1)].denominator
                )
                text = f"{edge:.4f}" if feature in ("monetary", "order_value") else f"{edge:f}"
                label = text if number < len(edges) else f"over {text}"
                expected.append((feature, comparison, number + 1, label, *counts))
        channels = [
            Counter(order.channel for order in shop.orders(*window) if order.channel)
            for window in windows(shop)
        ]
        if channels[0]:
            names = sorted(
                set(channels[0]) | set(channels[1]),
                key=lambda name: (
                    -max(counter[name] for counter in channels),
                    -channels[0][name],
                    name,
                ),
            )
            expected += [
                ("channel", "flow", place, name, channels[0][name], channels[1][name])
                for place, name in enumerate(names, 1)
            ]
            seen["channel"] += 1
        assert shop.rows("drift_bins") == sorted(expected)
    assert seen["order_value"]
    assert seen["channel"]


def test_locations_are_those_of_the_values(shops: list[Shop]) -> None:
    for shop in shops:
        found = {row[:2]: row[2:] for row in shop.rows("drift_locations")}
        expected = {}
        for key, (before, after) in samples(shop).items():
            if key[0] == "items" or not (before or after):
                continue
            expected[key] = (*described(before, with_mad=True), *described(after, with_mad=False))
        assert found.keys() == expected.keys()
        for key, values in expected.items():
            for one, other in zip(found[key], values, strict=True):
                assert one == (
                    None if other is None else pytest.approx(float(other), rel=1e-9, abs=1e-9)
                )


def described(values: list[Fraction], *, with_mad: bool) -> list[Fraction | float | None]:
    """Number, median, median distance to it, mean and standard deviation."""
    if not values:
        return [0, None, *([None] if with_mad else []), None, None]
    middle = median(values)
    distances = [median(abs(value - middle) for value in values)] if with_mad else []
    return [len(values), middle, *distances, sum(values) / len(values), float(pstdev(values))]


def test_nulls_are_counted_in_both_windows(shops: list[Shop]) -> None:
    for shop in shops:
        pair = [shop.orders(*window) for window in windows(shop)]
        expected = []
        for name, attribute in (
            ("channel", "channel"),
            ("items", "items"),
            ("cost_amount", "cost"),
        ):
            cells = [[getattr(order, attribute) for order in orders] for orders in pair]
            if any(cell is not None for column in cells for cell in column):
                counts = [(len(column), column.count(None)) for column in cells]
                expected.append((name, *counts[0], *counts[1]))
        assert shop.rows("nulls") == sorted(expected)


# Movement


def test_transitions_are_net_moves_and_stayers(shops: list[Shop]) -> None:
    for shop in shops:
        expected = Counter[tuple[Any, ...]]()
        for horizon, block in BLOCKS:
            start, end = shop.ago(horizon * (block + 1)), shop.ago(horizon * block)
            if start < min(shop.held):
                continue
            for customer, before in shop.on(start).items():
                after = shop.on(end).get(customer)
                if after:
                    key = (horizon, block, start, end, before.segment, after.segment)
                    expected[key] += 1
        assert shop.rows("transitions") == sorted((*key, n) for key, n in expected.items())


def test_moves_have_the_cause_of_the_last_one(shops: list[Shop]) -> None:
    for shop in shops:
        expected = []
        for horizon in (1, 7, 30):
            before, after = shop.on(shop.ago(horizon)), shop.on(shop.as_of)
            if not before:
                continue
            causes = Counter(
                last_cause(shop, customer)
                for customer, held in before.items()
                if customer in after and after[customer].segment != held.segment
            )
            expected += [(horizon, cause, causes[cause], len(before)) for cause in CAUSES]
        assert shop.rows("moves_by_cause") == sorted(expected)


def last_cause(shop: Shop, customer: str) -> str:
    """Cause of the newest day on which the segment became what it is."""
    day = shop.as_of
    while shop.on(day - DAY)[customer].segment == shop.on(day)[customer].segment:
        day -= DAY
    return shop.oracle.cause(customer, day)


def test_cohorts_are_the_first_orders_of_a_week(shops: list[Shop]) -> None:
    for shop in shops:
        expected = Counter[tuple[int, str]]()
        for customer, day in first_orders(shop).items():
            block = (shop.as_of - day).days // 7
            held = shop.on(shop.ago(7 * block)).get(customer)
            if block <= 8 and held:
                expected[block, held.segment] += 1
        assert shop.rows("cohorts") == sorted((*key, n) for key, n in expected.items())


def test_flapping_is_leaving_and_coming_back(shops: list[Shop]) -> None:
    for shop in shops:
        sizes, flapping = Counter[str](), Counter[str]()
        for customer, held in shop.on(shop.as_of).items():
            sizes[held.segment] += 1
            past = [shop.on(day).get(customer) for day in days(shop.ago(14), shop.as_of)]
            names = [one.segment if one else None for one in past]
            flapping[held.segment] += any(
                before == held.segment != after for before, after in pairwise(names)
            )
        expected = [(name, sizes[name], flapping[name]) for name in shop.segments]
        assert shop.rows("flapping") == expected


# Labels and what came of them


def test_labels_are_complete_and_computed_alike_twice(shops: list[Shop]) -> None:
    for shop in shops:
        customers = len(shop.on(shop.as_of))
        assert shop.rows("unmapped") == [(customers, 0, 0, 0)]
        assert shop.rows("recompute", "compared", "differing") == [(customers, 0)]


def test_sound_histories_make_no_forbidden_move(shops: list[Shop]) -> None:
    for shop in shops:
        rows = shop.rows("forbidden_moves")
        assert len(rows) > 10
        assert [row for row in rows if row[1] != 0] == []


def test_moments_are_those_of_the_customers(shops: list[Shop]) -> None:
    for shop in shops:
        values: dict[tuple[str, str], list[float]] = defaultdict(list)
        for held in shop.on(shop.as_of).values():
            money = math.log(1 + max(float(held.monetary), 0.0))
            values[held.segment, "log_monetary"].append(money)
            values[held.segment, "frequency"].append(float(held.orders))
            values[held.segment, "recency"].append(float((shop.as_of - held.last_order).days))
        expected = [
            (*key, len(column), sum(column) / len(column), pstdev(column) ** 2)
            for key, column in values.items()
        ]
        found = shop.rows("segment_moments")
        assert [row[:3] for row in found] == [row[:3] for row in sorted(expected)]
        for one, other in zip(found, sorted(expected), strict=True):
            assert one[3:] == pytest.approx(other[3:], abs=1e-5)


def futures(shop: Shop, horizon: int) -> dict[str, list[tuple[int, Decimal]]]:
    """Orders and money since, of each customer of the segments of that day."""
    found = defaultdict(list)
    for customer, held in shop.on(shop.ago(horizon)).items():
        since = shop.ordered(customer, shop.ago(horizon - 1), shop.as_of)
        money = sum((event.money for event in since), Decimal(0))
        found[held.segment].append((sum(event.counted for event in since), money))
    return found


def test_responses_are_what_was_ordered_since(shops: list[Shop]) -> None:
    for shop in shops:
        expected, bins = [], Counter[tuple[str, int]]()
        for segment, since in futures(shop, 28).items():
            orders = [count for count, _ in since]
            money = [amount for _, amount in since]
            bought = sum(count > 0 for count in orders)
            expected.append((segment, len(since), bought, sum(orders), sum(money)))
            for amount in money:
                bins[segment, revenue_bin(amount)] += 1
        assert shop.rows("responses") == sorted(expected)
        assert shop.rows("response_bins") == sorted((*key, n) for key, n in bins.items())


def revenue_bin(amount: Decimal) -> int:
    if amount <= 0:
        return 0
    return 1 if amount < 1 else math.floor(math.log2(amount)) + 2


def test_futures_are_the_money_of_a_quarter(shops: list[Shop]) -> None:
    ranks = {"champions": 6, "loyal_customers": 5, "at_risk": 4, "new_customers": 3}
    ranks |= {"hibernating": 1}
    for shop in shops:
        expected = []
        for segment, since in futures(shop, 90).items():
            money = exact(amount for _, amount in since)
            total = sum((amount for _, amount in since), Decimal(0))
            average, deviation = float(sum(money) / len(money)), float(pstdev(money))
            expected.append((segment, ranks[segment], len(since), total, average, deviation))
        found = shop.rows("futures")
        assert [row[:4] for row in found] == [row[:4] for row in sorted(expected)]
        for one, other in zip(found, sorted(expected), strict=True):
            assert one[4:] == pytest.approx(other[4:], abs=1e-6)


def test_no_number_is_infinite_or_none_at_all(shops: list[Shop]) -> None:
    for shop in shops:
        assert_numbers_are_finite(shop.connection)


def assert_numbers_are_finite(connection: duckdb.DuckDBPyConnection) -> None:
    columns = connection.execute(
        "select table_name, column_name from duckdb_columns()"
        " where schema_name = 'quality' and data_type = 'DOUBLE'"
    ).fetchall()
    assert len(columns) > 8
    for table, column in columns:
        wrong = connection.execute(
            f"select count(*) from quality.{table} where isnan({column}) or isinf({column})"
        ).fetchall()
        assert wrong == [(0,)], f"{table}.{column}"


# Shops of which hardly anything is known

FIRST_DAY = date(2024, 3, 1)
ONE_ORDER = Order("o1", "ann", FIRST_DAY, Decimal(10))
FUTURE_ORDER = Order("o2", "ann", FIRST_DAY + 9 * DAY, Decimal(10))


def small(*orders: Order, as_of: date = FIRST_DAY) -> World:
    made = world(0)
    return replace(made, orders=list(orders), refunds=[], merges=[], settings=SETTINGS, as_of=as_of)


def equal_orders(count: int) -> list[Order]:
    """The same order of many customers, each day of half a year."""
    return [
        Order(f"{day}-{one}", f"c{one}", FIRST_DAY + day * DAY, Decimal("9.99"))
        for one in range(count)
        for day in range(180)
    ]


def sizes(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    tables = connection.execute(
        "select table_name from information_schema.tables where table_schema = 'quality'"
    ).fetchall()
    assert len(tables) == 21
    return {
        name.removeprefix("quality_"): connection.execute(
            f"select count(*) from quality.{name}"
        ).fetchall()[0][0]
        for (name,) in tables
    }


@pytest.mark.parametrize("orders", [(), (FUTURE_ORDER,)], ids=["no_order", "order_to_come"])
def test_a_shop_without_orders_has_nothing_to_compare(
    compiler: Compiler, orders: tuple[Order, ...]
) -> None:
    with compiler.build(small(*orders)) as connection:
        shop = read(small(*orders), connection)
        rules = len(shop.rows("forbidden_moves"))
        expected = {"input_fingerprints": 1, "source_arrivals": 1, "conservation": 5}
        expected |= {"late_arrivals": 1, "unmapped": 1, "recompute": 1}
        expected |= {"forbidden_moves": rules, "definitions": 7, "intake": len(orders)}
        assert {name: size for name, size in sizes(connection).items() if size} == {
            name: size for name, size in expected.items() if size
        }
        assert shop.rows("source_arrivals") == [("orders", 0, None)]
        assert shop.rows("unmapped") == [(0, 0, 0, 0)]
        assert shop.rows("recompute") == [(0, 0, 0)]
        assert {row[1] - row[2] for row in shop.rows("conservation")} == {0}
        assert_numbers_are_finite(connection)


def test_the_first_day_of_the_first_customer(compiler: Compiler) -> None:
    with compiler.build(small(ONE_ORDER)) as connection:
        shop = read(small(ONE_ORDER), connection)
        [segment] = [held.segment for held in shop.on(FIRST_DAY).values()]
        assert shop.rows("daily_series") == [
            ("new_customers", "all", FIRST_DAY, 1),
            ("orders", "all", FIRST_DAY, 1),
        ]
        assert shop.rows("transitions") == shop.rows("moves_by_cause") == []
        assert shop.rows("responses") == shop.rows("futures") == []
        assert shop.rows("cohorts") == [(0, segment, 1)]
        assert shop.rows("drift_locations", "feature", "reference_count", "current_count") == [
            ("frequency", 1, 1),
            ("monetary", 1, 1),
            ("order_value", 0, 1),
            ("order_value", 0, 1),
            ("recency", 1, 1),
        ]
        assert_numbers_are_finite(connection)


def test_equal_customers_do_not_vary(compiler: Compiler) -> None:
    made = small(*equal_orders(4), as_of=FIRST_DAY + 179 * DAY)
    with compiler.build(made) as connection:
        labels = "(segment, lifecycle_stage, r_score, f_score, m_score)"
        query = f"select count(distinct {labels}), count({labels}) from marts.customers"
        assert connection.execute(query).fetchall() == [(1, 4)]
        shop = read(made, connection)
        spreads = shop.rows(
            "drift_locations", "reference_mad", "reference_stddev", "current_stddev"
        )
        assert {value for row in spreads for value in row} == {0.0}
        assert {row[0] for row in shop.rows("segment_moments", "variance")} == {0.0}
        assert shop.rows("futures", "customers", "mean_revenue", "stddev_revenue") == [
            (4, pytest.approx(90 * 9.99), 0.0)
        ]
        values = [row[2:] for row in shop.rows("drift_bins") if row[0] == "order_value"]
        assert values == [(1, "9.9900", 112, 112), (2, "over 9.9900", 0, 0)]
        assert_numbers_are_finite(connection)


def test_large_money_can_be_squared(compiler: Compiler) -> None:
    amounts = [Decimal("0.01"), Decimal("123456789012.34"), Decimal("9999999999999.99")]
    orders = [
        Order(f"{day}-{place}", f"c{place}", FIRST_DAY + day * DAY, amount)
        for place, amount in enumerate(amounts)
        for day in (0, 150)
    ]
    made = small(*orders, as_of=FIRST_DAY + 179 * DAY)
    with compiler.build(made) as connection:
        shop = read(made, connection)
        money = [row for row in shop.rows("drift_locations") if row[0] == "monetary"]
        expected = described(exact(2 * amount for amount in amounts), with_mad=False)
        assert money[0][7:] == pytest.approx(tuple(map(float, filter(None, expected))))
        for segment, _, count, *_, deviation in shop.rows("futures"):
            since = [amount for _, amount in futures(shop, 90)[segment]]
            assert (count, deviation) == (len(since), pytest.approx(float(pstdev(since))))
        assert_numbers_are_finite(connection)


def test_a_year_is_compared_with_when_it_lies_in_the_history(compiler: Compiler) -> None:
    orders = [ONE_ORDER, replace(ONE_ORDER, order_id="o2", ordered_at=FIRST_DAY + 27 * DAY)]
    for later, reference in ((391, 2), (390, 0)):  # on the 391st day the 28 days lie within
        made = small(*orders, replace(ONE_ORDER, order_id="o3"), as_of=FIRST_DAY + later * DAY)
        with compiler.build(made) as connection:
            found = read(made, connection).rows("drift_locations")
            flows = [row[2] for row in found if row[:2] == ("order_value", "flow")]
            assert flows == ([reference + 1] if reference else [])


# The live fingerprint


def fingerprints(connection: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    return connection.execute("from quality.quality_input_fingerprints order by all").fetchall()


def test_every_changed_cell_moves_the_fingerprint_of_its_input(compiler: Compiler) -> None:
    made = worlds_of("totals")[0]
    with compiler.build(made) as connection:
        before = fingerprints(connection)
        assert [row[:2] for row in before] == [
            ("customer_merges", len(made.merges)),
            ("orders", len(made.orders)),
            ("refunds", len(made.refunds)),
        ]
        for source, count, _ in before:
            columns = connection.execute(
                "select column_name, data_type from duckdb_columns()"
                " where schema_name = 'raw' and table_name = ?",
                [source],
            ).fetchall()
            for column, kind in columns:
                empty = {"VARCHAR": "''", "DATE": "date '2000-01-01'"}.get(kind, "0")
                more = "|| 'x'" if kind == "VARCHAR" else "+ 1"
                changed = f"coalesce({column}, {empty}) {more}"
                connection.execute(f"create table raw.kept as from raw.{source}")
                connection.execute(
                    f"update raw.{source} set {column} = {changed}"
                    f" where rowid = (select min(rowid) from raw.{source})"
                )
                after = fingerprints(connection)
                assert [row[0] for row in set(after) - set(before)] == [source], column
                connection.execute(f"delete from raw.{source}")
                connection.execute(f"insert into raw.{source} from raw.kept order by random()")
                connection.execute("drop table raw.kept")
                assert fingerprints(connection) == before
            connection.execute(f"insert into raw.{source} from raw.{source} limit 1")
            assert dict(row[:2] for row in fingerprints(connection))[source] == count + 1
            assert len(set(fingerprints(connection)) - set(before)) == 1
            before = fingerprints(connection)


# Rows that do not arrive as they should


def test_what_becomes_of_rows_is_counted_by_its_reason(compiler: Compiler) -> None:
    day = FIRST_DAY
    orders = [
        Order("o1", "ann", day, Decimal(10)),
        Order("o1", "ann", day, Decimal(10)),  # the same again
        Order("o2", "ann", day, Decimal(10)),
        Order("o2", "ann", day, Decimal(11)),  # not the same
        Order("o3", "", day, Decimal(12)),
        Order("", "bob", day, Decimal(13)),
        Order("o5", "bob", day, Decimal(-1)),
        Order("o6", "bob", day + DAY, Decimal(14)),  # tomorrow
    ]
    made = small(*orders)
    with compiler.build(made) as connection:
        shop = read(made, connection)
        named = ("source", "received_rows", "accepted_rows", "duplicate_rows", "conflicting_rows")
        rest = ("null_key_rows", "excluded_rows", "rejected_rows", "held_rows", "superseded_rows")
        assert shop.rows("intake", *named, *rest) == [("orders", 8, 2, 1, 2, 2, 0, 5, 1, 0)]
        money = sum((order.amount for order in orders), Decimal(0))
        identities = {row[0]: row[1:] for row in shop.rows("conservation")}
        assert identities["orders_rows"] == (8, 8)
        assert identities["orders_money"] == (money, money)
        assert identities["timeline_money"] == (10, 10)


def test_lines_and_customers_are_counted_where_they_come_in(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    warehouse.put(
        "lines.csv",
        "order_id,customer_id,ordered_at,quantity,unit_price,discount\n"
        "o1,c1,2024-01-05T10:00:00Z,2,1.50,0.5\n"
        "o1,c1,2024-01-05T23:30:00Z,2,1.50,\n"
        "o1,c1,2024-01-05T10:00:00Z,-1,1.50,\n"  # less than nothing
        "o3,c1,2024-01-05,1,9,\n"
        "o3,c2,2024-01-05,1,9,\n"  # of somebody else
        "o4,,2024-01-06,3,0.3333,\n"
        "o6,test,2024-01-06,1,1,\n",
    )
    warehouse.put("customers.csv", "customer_id\nc1\nc9\nc9\n")
    config = warehouse.configure("""
business_timezone: Europe/Berlin
feeds:
  order_lines:
    path: lines.csv
    exclude: [{column: customer_id, equals: test}]
  customers:
    path: customers.csv
""")
    warehouse.load(config)
    warehouse.build(config, date(2024, 1, 31), "+fqn:lifestage.marts", "+fqn:lifestage.quality")

    arrivals = warehouse.rows("from quality.quality_source_arrivals order by source")
    assert [tuple(row.values()) for row in arrivals] == [
        ("customers", 2, None),
        ("orders", 1, datetime.fromisoformat("2024-01-05T11:00")),  # that of its first line
    ]
    intake = warehouse.rows("from quality.quality_intake order by source")
    named = ("received", "accepted", "duplicate", "conflicting", "null_key", "excluded", "rejected")
    assert [[row["source"], *(row[f"{name}_rows"] for name in named)] for row in intake] == [
        ["customers", 3, 2, 1, 0, 0, 0, 0],
        ["order_lines", 7, 2, 0, 2, 1, 1, 4],
    ]
    identities = warehouse.rows("from quality.quality_conservation order by identity")
    assert {row["identity"]: row["left_value"] for row in identities} == {
        "orders_rows": 7,
        "orders_money": Decimal("23.9999"),
        "segments_customers": 1,
        "segments_money": Decimal("5.5"),
        "timeline_money": Decimal("5.5"),
    }
    assert [row for row in identities if row["left_value"] != row["right_value"]] == []
    prints = warehouse.rows("from quality.quality_input_fingerprints order by source")
    assert [(row["source"], row["row_count"]) for row in prints] == [
        ("customers", 3),
        ("order_lines", 7),
    ]


LOSE_A_CUSTOMER = """
delete from intermediate.int_customers_current
where customer_id = (select max(customer_id) from intermediate.int_customers_current)
"""
LOSE_ALL_ROWS = "update intermediate.int_orders_by_day set order_rows = 0"
LOSE_A_DUPLICATE = "delete from staging.stg_shop__rows_set_apart where outcome = 'duplicate'"
ADD_MONEY = """
update intermediate.int_customer_days set monetary = monetary + 1 where customer_id = '{}'
"""


@pytest.mark.parametrize(
    ("damage", "broken"),
    [
        (LOSE_A_CUSTOMER, {"segments_customers", "segments_money", "timeline_money"}),
        (LOSE_ALL_ROWS, {"orders_rows"}),
        (LOSE_A_DUPLICATE, {"orders_rows", "orders_money"}),
        (ADD_MONEY.format("given"), set()),  # it holds nothing any more
        (ADD_MONEY.format("taking"), {"merge_money"}),
    ],
)
def test_an_identity_breaks_with_what_it_watches(
    compiler: Compiler, damage: str, broken: set[str]
) -> None:
    orders = [
        Order("o1", "ann", FIRST_DAY, Decimal(10)),
        Order("o1", "ann", FIRST_DAY, Decimal(10)),
        Order("o2", "given", FIRST_DAY, Decimal(20)),
        Order("o3", "taking", FIRST_DAY, Decimal(40)),
    ]
    refunds = [Refund("r1", "o2", FIRST_DAY, Decimal(5))]
    merges = [Merge("given", "taking", FIRST_DAY + DAY)]
    made = replace(small(*orders, as_of=FIRST_DAY + 9 * DAY), refunds=refunds, merges=merges)
    with compiler.build(made) as connection:
        shop = read(made, connection)
        assert {row[0]: row[1] for row in shop.rows("conservation")}["merge_money"] == 55
        connection.execute(damage)
        rebuild(compiler, shop, "quality_conservation")
        assert {row[0] for row in shop.rows("conservation") if row[1] != row[2]} == broken


def rebuild(compiler: Compiler, shop: Shop, name: str) -> None:
    """Build one model again on what the database holds now."""
    settings = json.dumps(variables(shop.world), sort_keys=True)
    [statement] = [
        text for model, text in compiler.statements(settings) if model == f"quality.{name}"
    ]
    shop.connection.execute(f"drop table quality.{name}")
    shop.connection.execute(statement.replace(AS_OF, shop.as_of.isoformat()))


def test_a_label_that_is_not_what_the_state_says_is_found(compiler: Compiler) -> None:
    made = small(*equal_orders(4), as_of=FIRST_DAY + 179 * DAY)
    for change in ("m_score = m_score - 1", "segment_code = 99", "stage_code = 99"):
        with compiler.build(made) as connection:
            shop = read(made, connection)
            [labels] = shop.rows("recompute", "labels_fingerprint")
            connection.execute(
                f"update intermediate.int_customers_current set {change} where customer_id = 'c1'"
            )
            rebuild(compiler, shop, "quality_recompute")
            assert shop.rows("recompute", "compared", "differing") == [(4, 1)]
            assert shop.rows("recompute", "labels_fingerprint") != [labels]
            rebuild(compiler, shop, "quality_unmapped")
            assert shop.rows("unmapped") == [
                (4, int("segment" in change), 0, int("stage" in change))
            ]


def test_a_forbidden_move_is_counted(compiler: Compiler) -> None:
    made = small(ONE_ORDER, as_of=FIRST_DAY + 200 * DAY)
    with compiler.build(made) as connection:
        shop = read(made, connection)
        connection.execute(
            "update intermediate.int_timeline_intervals set stage_code ="
            " (select stage_code from intermediate.int_stage_codes where stage = 'active')"
            " where valid_from = (select max(valid_from) from intermediate.int_timeline_intervals"
            f" where valid_from <= date '{made.as_of}' and cause_code = 2)"
        )
        rebuild(compiler, shop, "quality_forbidden_moves")
        assert [row for row in shop.rows("forbidden_moves") if row[1]] == [
            ("stage dormant > active", 1)
        ]


# What comes late


@pytest.mark.parametrize("seed", range(4))
def test_arrivals_are_counted_before_the_run_notes_them(seed: int) -> None:
    nights = shared_nights()
    draw = random.Random(seed)
    connection = None
    seen = Counter[bool]()
    for night in shop_nights(seed, SETTINGS, 8):
        if connection is None:
            connection = nights.full(night)
            assert late_orders(connection) == (0, 0)
            continue
        known = dict(
            connection.execute(
                "select order_day, order_rows from intermediate.int_days_applied"
            ).fetchall()
        )
        nights.run(connection, replace(night, dies_after=None), draw)
        as_of = night.world.as_of
        now = Counter(order.ordered_at for order in night.world.orders if order.ordered_at <= as_of)
        added = {day: max(count - known.get(day, 0), 0) for day, count in now.items()}
        late = sum(count for day, count in added.items() if day < as_of - 3 * DAY)
        assert late_orders(connection) == (sum(added.values()), late)
        seen[late > 0] += 1
    assert seen[True] or seen[False] > 1


def late_orders(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    [found] = connection.execute(
        "select arrived_orders, late_orders from intermediate.int_late_orders"
    ).fetchall()
    return found
