"""Whatever happened between two nights, an incremental run leaves what a full build would.

Row for row, in every table of the history and of the marts: after late, corrected, moved and
deleted orders, changed merges, rules and settings, old days run again, and runs that died.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from dbt.cli.main import dbtRunner

from tests.compiled import AS_OF, REPOSITORY
from tests.nights import (
    READING,
    TABLES,
    Night,
    differences,
    load,
    rows_of,
    settings_text,
    shared_nights,
    shop,
)
from tests.warehouse import _failures
from tests.worlds import FIRST_RULES, SECOND_RULES, SETTINGS, Merge, Order, Refund, World, stages

if TYPE_CHECKING:
    from pathlib import Path

TOTALS = SETTINGS | {"future_order_days": 31, "min_calibration_customers": 4}
AVERAGES = TOTALS | {
    "rfm_window_days": 90,
    "monetary_measure": "margin",
    "monetary_aggregate": "average",
}
# Without refunds, merges and windows histories go on from what is stored; averages do not.
ORDERS_ALONE = TOTALS | {"inputs": {"orders": READING}}
AVERAGES_OF_ORDERS_ALONE = ORDERS_ALONE | {"monetary_aggregate": "average"}
OF_NIGHTS = {
    "totals": TOTALS,
    "averages_in_a_window": AVERAGES,
    "orders_alone": ORDERS_ALONE,
    "averages_of_orders_alone": AVERAGES_OF_ORDERS_ALONE,
}


@pytest.mark.parametrize("settings", OF_NIGHTS.values(), ids=OF_NIGHTS)
def test_random_nights_leave_what_a_full_build_would(settings: dict[str, Any]) -> None:
    nights = shared_nights()
    for seed in (4, 5, 8, 9, 13, 19, 21):
        draw, told = random.Random(seed), []
        first, *later = shop(seed, settings, nights=6)
        with nights.full(first) as connection:
            for night in later:
                told.append(night.story)
                nights.run(connection, night, draw)
                if night.dies_after is None:
                    with nights.full(as_seen_by(connection, night)) as full:
                        assert differences(connection, full) == [], (seed, told)


def as_seen_by(connection: duckdb.DuckDBPyConnection, night: Night) -> Night:
    """The night with the newest day that reached the warehouse; a run may die before it does."""
    query = "select max(as_of_date) from intermediate.int_as_of_dates"
    as_of = connection.execute(query).fetchall()[0][0]
    return replace(night, world=replace(night.world, as_of=as_of))


class Shop:
    """A warehouse file with tables of its own, on which dbt runs for one night after another."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir()

    def deliver(self, world: World) -> None:
        """Replace the inputs and the rules by those of the world."""
        with self.open() as connection:
            for schema in ("raw", "rules"):
                connection.execute(f"drop schema if exists {schema} cascade")
                connection.execute(f"create schema {schema}")
            load(connection, world)

    def run(self, world: World, requested: date | None = None, *arguments: str) -> None:
        """Run dbt on what the world delivers."""
        self.deliver(world)
        day = (requested or world.as_of).isoformat()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LIFESTAGE_HOME", str(self.home))
            result = dbtRunner().invoke(
                [
                    *("--quiet", "--no-use-colors", "run", *arguments),
                    *("--exclude", "fqn:lifestage.quality"),
                    *("--vars", settings_text(world.settings).replace(AS_OF, day)),
                    *("--project-dir", str(REPOSITORY / "dbt_project")),
                    *("--profiles-dir", str(REPOSITORY / "profiles")),
                    *("--target-path", str(self.home / "target")),
                    *("--log-path", str(self.home / "logs")),
                ]
            )
        assert result.success, _failures(result)

    def open(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(self.home / "warehouse.duckdb")


def assert_as_full(shop: Shop, world: World) -> None:
    with shop.open() as connection, shared_nights().full(Night(world, world.as_of)) as full:
        assert differences(connection, full) == []


def first_world() -> World:
    """Twelve customers with a few orders each until the middle of March."""
    draw = random.Random(20250320)
    orders = [
        Order(
            f"o{person}-{number}",
            f"c{person:02}",
            date(2024, 9, 1) + timedelta(days=draw.randint(0, 195)),
            Decimal(draw.randint(500, 20000)) / 100,
            cost=Decimal(draw.randint(0, 400)) / 100,
        )
        for person in range(12)
        for number in range(draw.choice((1, 2, 5)))
    ]
    return World(
        orders=orders,
        refunds=[],
        merges=[Merge("c00", "c01", date(2025, 1, 10))],
        settings=TOTALS,
        as_of=date(2025, 3, 20),
        segment_rules=FIRST_RULES,
        lifecycle_stages=stages(),
    )


def with_orders(world: World, *changed: Order, without: tuple[str, ...] = ()) -> list[Order]:
    orders = {order.order_id: order for order in (*world.orders, *changed)}
    return [order for name, order in orders.items() if name not in without]


def test_nights_of_one_shop_under_dbt(tmp_path: Path) -> None:
    shop, world = Shop(tmp_path / "shop"), first_world()
    shop.run(world)
    order = {order.order_id: order for order in world.orders}

    # A new order, one that comes 45 days late, a corrected amount, a refund that arrives later.
    world = replace(
        world,
        as_of=date(2025, 3, 21),
        orders=with_orders(
            world,
            Order("new", "c02", date(2025, 3, 21), Decimal(70)),
            Order("late", "c03", date(2025, 2, 4), Decimal(31)),
            replace(order["o4-0"], amount=Decimal(999)),
        ),
        refunds=[Refund("r", "o5-0", date(2025, 3, 2), Decimal(1))],
    )
    shop.run(world)
    assert_as_full(shop, world)

    # Two weeks at once over the end of a quarter; a deleted and a moved order, a second merge.
    world = replace(
        world,
        as_of=date(2025, 4, 3),
        orders=with_orders(
            world,
            Order("april", "c09", date(2025, 4, 2), Decimal(44)),
            replace(order["o6-0"], customer_id="c07"),
            without=("o8-0",),
        ),
        merges=[*world.merges, Merge("c02", "nobody_else", date(2025, 3, 25))],
    )
    shop.run(world)
    assert_as_full(shop, world)

    # An old day is run again: late data comes in, and nothing else moves.
    with shop.open() as connection:
        before = {name: rows_of(connection, name) for name in TABLES}
    shop.run(world, date(2025, 2, 1))
    with shop.open() as connection:
        assert {name: rows_of(connection, name) for name in TABLES} == before
    world = replace(
        world, orders=with_orders(world, Order("later", "c10", date(2025, 1, 20), Decimal(12)))
    )
    shop.run(world, date(2025, 2, 1))
    assert_as_full(shop, world)

    # A run that moved an order to somebody else dies early; afterwards the order is moved back.
    moved = with_orders(world, replace(order["o7-0"], customer_id="c11"))
    shop.run(replace(world, orders=moved), None, "--select", "+int_customer_days")
    shop.run(world)
    assert_as_full(shop, world)

    # Another dies late, with a new customer in the history who is gone again the night after.
    strange = Order("x", "stranger", date(2024, 8, 1), Decimal(5))
    world = replace(world, orders=moved)
    died = replace(world, orders=with_orders(world, strange))
    shop.run(died, None, "--select", "+int_timeline_intervals", "+int_customers_current")

    # Rules and settings change, a merge is taken back whose heir had no orders, somebody is erased.
    world = replace(
        world,
        orders=[one for one in world.orders if one.customer_id != "c04"],
        merges=[Merge("c00", "c01", date(2025, 1, 10))],
        settings=AVERAGES,
        segment_rules=SECOND_RULES,
        lifecycle_stages=stages(new=7, at_risk=20, dormant=40, lost=60, back=10),
    )
    shop.run(world)
    assert_as_full(shop, world)

    # The same from dbt itself, built at once.
    full = Shop(tmp_path / "full")
    full.run(world, None, "--full-refresh")
    with shop.open() as one, full.open() as other:
        assert differences(one, other) == []
