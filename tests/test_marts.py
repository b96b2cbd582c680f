"""Movement, profiles and performance against the timeline, read one customer and day at a time."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.nights import Night, shared_nights
from tests.oracle import Oracle
from tests.test_incremental import AVERAGES, TOTALS
from tests.worlds import SETTINGS, World, world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import duckdb

DAY = timedelta(days=1)
CAUSES = ("bought", "aged", "window_exit", "recalibrated", "rules_changed", "corrected", "merged")


class Held(NamedTuple):
    """What the timeline says of a customer on a day."""

    segment: str
    orders: int
    monetary: Decimal
    first_order: date
    last_order: date


@dataclass
class Past:
    """The timeline by the day, and the money of each day, of one world."""

    first: date
    last: date
    held: dict[date, dict[str, Held]]
    causes: dict[tuple[str, date], str]  # of the interval that starts there
    events: list[tuple[str, date, bool, Decimal]]  # customer on that day, day, counted, money
    oracle: Oracle
    segments: list[str]

    def on(self, day: date) -> dict[str, Held]:
        return self.held.get(day, {})


def past_of(connection: duckdb.DuckDBPyConnection, world: World) -> Past:
    rows = connection.execute(
        """
        select customer_id, valid_from, valid_to, cause, segment, orders, monetary,
            first_order_date, last_order_date
        from marts.customer_timeline
        where not is_projected
        """
    ).fetchall()
    assert rows
    held: dict[date, dict[str, Held]] = defaultdict(dict)
    causes = {}
    for customer, start, end, cause, *state in rows:
        causes[customer, start] = cause
        for day in days(start, min(end - DAY, world.as_of)):
            held[day][customer] = Held(*state)
    oracle = Oracle(world)
    events = [
        (oracle.owner(event.customer, event.day), event.day, event.counted, event.money)
        for event in oracle.events
    ]
    preset = world.settings["segment_preset"]
    return Past(
        min(row[1] for row in rows),
        world.as_of,
        held,
        causes,
        [one for one in events if one[0] in held.get(one[1], {})],
        oracle,
        sorted({row["segment"] for row in world.segment_rules if row["preset"] == preset}),
    )


def days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += DAY


def month_of(day: date) -> tuple[date, date]:
    start = day.replace(day=1)
    return start, (start + timedelta(days=31)).replace(day=1) - DAY


def week_of(day: date) -> tuple[date, date]:
    start = day - timedelta(days=day.weekday())
    return start, start + timedelta(days=6)


PERIODS: dict[str, Callable[[date], tuple[date, date]]] = {
    "day": lambda day: (day, day),
    "week": week_of,
    "month": month_of,
}


def periods_of(past: Past) -> list[tuple[str, date, date]]:
    found = {
        (name, *bounds(day))
        for name, bounds in PERIODS.items()
        for day in days(past.first, past.last)
    }
    return sorted(found)


def last_move(past: Past, customer: str, start: date, end: date) -> str:
    """Cause of the last change of segment in the period."""
    for day in reversed(list(days(start, end))):
        before, after = past.on(day - DAY).get(customer), past.on(day).get(customer)
        if after is None and before is not None:
            return "merged"
        if after is not None and (before is None or before.segment != after.segment):
            return past.causes[customer, day]
    raise AssertionError(f"{customer} did not move between {start} and {end}")


Key = tuple[Any, ...]


def migrations_of(past: Past) -> dict[Key, tuple[int, Decimal]]:
    found: dict[Key, tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal(0)))
    for period, start, calendar_end in periods_of(past):
        end = min(calendar_end, past.last)
        before, after = past.on(start - DAY), past.on(end)
        for customer in before.keys() | after.keys():
            one, other = before.get(customer), after.get(customer)
            cause = None
            if one is None or other is None or one.segment != other.segment:
                cause = last_move(past, customer, start, end)
            left = next(
                past.on(day)[customer]
                for day in reversed(list(days(start - DAY, end)))
                if customer in past.on(day)
            )
            key = (period, start, end, one and one.segment, other and other.segment, cause)
            count, money = found[key]
            found[key] = (count + 1, money + left.monetary)
    return dict(found)


def movement_of(past: Past, migrations: dict[Key, tuple[int, Decimal]]) -> dict[Key, list[Any]]:
    found = {}
    for period, start, calendar_end in periods_of(past):
        end = min(calendar_end, past.last)
        rows = {
            key[3:]: count
            for key, (count, _) in migrations.items()
            if key[:3] == (period, start, end)
        }
        matrix: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        by_cause = dict.fromkeys(CAUSES, 0)
        joined = left = 0
        for (one, other, cause), count in rows.items():
            if one is None:
                joined += count
            elif other is None:
                left += count
            else:
                matrix[one][other] += count
                if one != other:
                    by_cause[cause] += count
        moved = sum(by_cause.values())
        at_start = left + sum(sum(row.values()) for row in matrix.values())
        stayed = sum(Fraction(row[name], sum(row.values())) for name, row in matrix.items())
        found[period, start] = [
            end,
            calendar_end <= past.last,
            at_start,
            moved,
            share(moved, at_start),
            *by_cause.values(),
            joined,
            left,
            share(len(matrix) - stayed, len(matrix) - 1) if matrix else None,
        ]
    return found


def share(part: Any, whole: Any) -> float | None:
    return float(Fraction(part) / Fraction(whole)) if whole else None


def profiles_of(past: Past, *, averages: bool) -> dict[Key, list[Any]]:
    money: dict[tuple[date, str], Decimal] = defaultdict(Decimal)
    for customer, day, _, amount in past.events:
        money[day, past.on(day)[customer].segment] += amount
    found = {}
    for day in days(past.first, past.last):
        window = list(days(day - timedelta(days=27), day))
        earlier = list(days(day - timedelta(days=55), day - timedelta(days=28)))
        revenues = {name: sum(money[one, name] for one in window) for name in past.segments}
        for name in past.segments:
            people = [one for one in past.on(day).values() if one.segment == name]
            orders, total = sum(one.orders for one in people), sum(one.monetary for one in people)
            before = sum(money[one, name] for one in earlier)
            grows = earlier[0] >= past.first and before > 0
            found[day, name] = [
                share(sum((day - one.last_order).days for one in people), len(people)),
                share(orders, len(people)),
                share(total, len(people)),
                share(total, len(people) if averages else orders),
                len(people),
                share(len(people), len(past.on(day))),
                revenues[name],
                share(revenues[name], sum(revenues.values())),
                share(revenues[name] - before, before) if grows else None,
            ]
    return found


def channels_of(past: Past) -> dict[Key, list[Any]]:
    """The channel of most orders of a year, by the segment of the newest day."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for order in past.oracle.world.orders:
        owner = past.oracle.owner(order.customer_id, past.last)
        is_recent = past.last - timedelta(days=365) < order.ordered_at <= past.last
        if order.channel and is_recent and past.oracle.is_counted(order):
            counts[past.on(past.last)[owner].segment][order.channel] += 1
    found: dict[Key, list[Any]] = {
        (day, name): [None, None] for day in days(past.first, past.last) for name in past.segments
    }
    for name, orders in counts.items():
        channel = min(orders, key=lambda one: (-orders[one], one))
        found[past.last, name] = [channel, share(orders[channel], orders.total())]
    return found


def performance_of(past: Past) -> dict[Key, list[Any]]:
    months = [(start, end) for name, start, end in periods_of(past) if name == "month"]
    bought: dict[date, dict[str, int]] = {}
    money: dict[date, dict[str, Decimal]] = {}
    for start, end in months:
        within = [one for one in past.events if start <= one[1] <= end]
        bought[start], money[start] = defaultdict(int), defaultdict(Decimal)
        for customer, _, counted, amount in within:
            bought[start][customer] += counted
            money[start][customer] += amount
    found: dict[Key, list[Any]] = {}
    for start, end in months:
        eve = past.on(start - DAY)
        before = month_of(start - DAY)[0]
        for name in [*past.segments, "all"]:
            people = {c for c, one in eve.items() if name in ("all", one.segment)}
            active = bought[start].keys() | money[start].keys()
            mine = active if name == "all" else active & people
            buyers = sorted(
                (c for c in mine if bought[start][c] > 0), key=lambda c: (-money[start][c], c)
            )
            spent = sum(money[start][c] for c in buyers)
            top = sum(money[start][c] for c in buyers[: -(-len(buyers) // 5)])
            came = {c for c in people if bought.get(before, {}).get(c, 0) > 0}
            orders = sum(bought[start][c] for c in mine)
            revenue = sum((money[start][c] for c in mine), Decimal(0))
            worth = sum(
                event.money for c in people for event in past.oracle.events_of(c, start - DAY)
            )
            repeat = [
                c for c in people if eve[c].orders > 1 or eve[c].first_order < eve[c].last_order
            ]
            found[start, name] = [
                min(end, past.last),
                len(people),
                len(buyers),
                len(set(buyers) - people),
                share(len(set(buyers) & people), len(people)),
                orders,
                revenue,
                share(revenue, orders),
                share(len(came & set(buyers)), len(came)),
                share(len(repeat), len(people)),
                share(top, spent) if spent > 0 else None,
                share(worth, len(people)),
            ]
    for (start, name), row in found.items():
        for earlier in (month_of(start - DAY)[0], start.replace(year=start.year - 1)):
            base = found.get((earlier, name), [None] * 7)[6]
            known = earlier >= past.first and month_of(start)[1] <= past.last
            row.append(share(row[6] - base, base) if known and base and base > 0 else None)
    return found


def assert_same(found: Iterable[tuple[Any, ...]], wanted: dict[Key, list[Any]], keys: int) -> None:
    """Compare tables by key; floats to half of the last published decimal and a little."""
    mine = {row[:keys]: row[keys:] for row in found}
    assert mine.keys() == wanted.keys()
    for key, row in wanted.items():
        for place, (one, other) in enumerate(zip(mine[key], row, strict=True)):
            if isinstance(other, float):
                assert one is not None, (key, place, one, other)
                assert abs(float(one) - other) <= 0.6 * 10 ** one.as_tuple().exponent, (key, place)
            else:
                assert one == other, (key, place, one, other)


WINDOW = SETTINGS | {
    "future_order_days": 31,
    "calibrate": "monthly",
    "min_calibration_customers": 2,
    "rfm_window_days": 20,
}


@pytest.mark.parametrize(
    "settings", [TOTALS, AVERAGES, WINDOW], ids=["totals", "averages", "short_window"]
)
def test_marts_are_what_the_timeline_says_day_by_day(settings: dict[str, Any]) -> None:
    for seed in range(15):
        one = replace(world(seed), settings=settings)
        with shared_nights().full(Night(one, one.as_of)) as connection:
            assert_marts_agree(connection, one)


def assert_marts_agree(connection: duckdb.DuckDBPyConnection, world: World) -> None:
    past = past_of(connection, world)
    migrations = migrations_of(past)
    sizes: dict[Key, int] = defaultdict(int)
    for key, (count, _) in migrations.items():
        sizes[key[:4]] += count
    assert_same(
        connection.execute("select * from marts.segment_migrations").fetchall(),
        {
            key: [count, money, share(count, sizes[key[:4]]) if key[3] else None]
            for key, (count, money) in migrations.items()
        },
        6,
    )
    assert_same(
        connection.execute("select * from marts.segment_movement").fetchall(),
        movement_of(past, migrations),
        2,
    )
    assert_same(
        connection.execute(
            """
            select date_day, segment, average_days_since_last_order, average_orders,
                average_monetary, average_order_value, customers, customer_share,
                revenue_28_days, revenue_28_days_share, revenue_growth
            from marts.segment_profiles
            """
        ).fetchall(),
        profiles_of(past, averages=world.settings["monetary_aggregate"] == "average"),
        2,
    )
    assert_same(
        connection.execute(
            """
            select date_day, segment, order_channel, order_channel_share
            from marts.segment_profiles
            """
        ).fetchall(),
        channels_of(past),
        2,
    )
    assert_same(
        connection.execute(
            """
            select period_start, segment, period_end, customers_at_start, buyers, new_buyers,
                conversion_rate, orders, revenue, average_order_value, retention_rate, repeat_rate,
                top_20_share, average_lifetime_revenue, revenue_growth, revenue_growth_year
            from marts.segment_performance
            """
        ).fetchall(),
        performance_of(past),
        2,
    )
