"""What must not matter does not: row order, threads, the zone of the host, the order of backfill.

Compared are the bytes of the ordered Parquet files, written the way publication writes them.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from orchestration.publication import PUBLIC_TABLES
from orchestration.warehouse import DuckdbSession, write_parquet
from tests.compiled import AS_OF, REPOSITORY
from tests.nights import Night, empty_database, load, settings_text, shared_nights
from tests.test_incremental import AVERAGES, TOTALS
from tests.worlds import FIRST_RULES, World, cuts, stages, world

BUSINESS_ZONE = "America/New_York"
HOST_ZONES = ("UTC", "America/New_York", "Asia/Kolkata")


def exported(connection: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, str]:
    """Write the public tables and return the hash of each file."""
    folder.mkdir()
    connection.execute("set preserve_insertion_order = true")
    hashes = {}
    for table in (one for one in PUBLIC_TABLES if one.schema == "marts"):
        path = folder / f"{table.name}.parquet"
        order = ", ".join(table.key) or "all"
        query = f"select * from {table.schema}.{table.name} order by {order}"
        write_parquet(DuckdbSession(connection), query, path)
        hashes[table.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return hashes


def build_large_shop(threads: int, shuffled: int) -> duckdb.DuckDBPyConnection:
    """Build 60,000 orders of 9,000 customers, delivered in an order of their own."""
    connection = empty_database(threads)
    connection.execute("set preserve_insertion_order = false")
    shop = World([], [], [], TOTALS, date(2025, 3, 20), FIRST_RULES, stages(), cuts())
    load(connection, shop)
    connection.execute(
        "insert into raw.orders select 'o' || i, 'c' || hash(i) % 9000,"
        " date '2023-06-01' + cast(hash(i * 3) % 650 as integer),"
        " cast(hash(i * 5) % 20000 as decimal(18, 4)) / 100, 'completed', 0, 1,"
        " case when hash(i * 7) % 3 = 0 then 'web' else 'app' end, hash(i * 11) % 4 + 1"
        f" from range(60000) as t(i) order by hash(i + {shuffled})"
    )
    connection.execute(
        "insert into raw.refunds select 'r' || order_id, order_id, ordered_at + 9, amount / 4"
        " from raw.orders where amount > 1 and hash(order_id) % 20 = 0"
        f" order by hash(order_id || '{shuffled}')"
    )
    for _, statement in shared_nights().first.statements(settings_text(TOTALS)):
        connection.execute(statement.replace(AS_OF, shop.as_of.isoformat())).fetchall()
    return connection


def test_row_order_and_threads_do_not_matter(tmp_path: Path) -> None:
    found = []
    for threads, shuffled in ((1, 0), (2, 17), (8, 99)):
        with build_large_shop(threads, shuffled) as connection:
            found.append(exported(connection, tmp_path / f"threads_{threads}"))
    assert found[0] == found[1] == found[2]


def test_the_order_of_backfill_does_not_matter(tmp_path: Path) -> None:
    nights, told = shared_nights(), world(9)
    told = replace(told, settings=AVERAGES)
    days = [told.as_of - timedelta(days=back) for back in (70, 20, 0)]
    with nights.full(Night(told, told.as_of)) as connection:
        at_once = exported(connection, tmp_path / "at_once")
    for number, (first, *rest) in enumerate(permutations(days)):
        with nights.full(Night(replace(told, as_of=first), first)) as connection:
            for day in rest:
                nights.run(connection, Night(told, day), random.Random(number))
            assert exported(connection, tmp_path / f"order_{number}") == at_once, (first, *rest)


def instants() -> list[datetime]:
    """Instants around midnights of the business zone, also where its clocks change."""
    zone = ZoneInfo(BUSINESS_ZONE)
    days = (date(2024, 3, 10), date(2024, 7, 1), date(2024, 11, 3), date(2025, 1, 1))
    return [
        (datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(days=late)).astimezone(UTC)
        + timedelta(minutes=minutes)
        for day in days
        for late in (0, 1)
        for minutes in (-61, -1, 0, 1, 59, 121)
    ]


def test_the_zone_of_the_host_does_not_matter(tmp_path: Path) -> None:
    business = ZoneInfo(BUSINESS_ZONE)
    written = (UTC, ZoneInfo("Asia/Tokyo"), business)
    expected = {}
    found = []
    for host in HOST_ZONES:
        home = tmp_path / host.replace("/", "_")
        home.mkdir()
        with duckdb.connect(home / "warehouse.duckdb") as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute("create schema raw")
            connection.execute("create schema rules")
            load(connection, World([], [], [], TOTALS, date(2025, 3, 20), FIRST_RULES, stages()))
            connection.execute("drop table raw.orders")
            connection.execute("drop table raw.refunds")
            connection.execute(
                "create table raw.orders (order_id varchar, customer_id varchar,"
                " ordered_at varchar, amount decimal(18, 4))"
            )
            connection.execute(
                "create table raw.refunds (refund_id varchar, order_id varchar,"
                " refunded_at timestamptz, amount decimal(18, 4))"
            )
            for number, instant in enumerate(instants()):
                text = instant.astimezone(written[number % 3]).isoformat()
                day = instant.astimezone(business).date()
                expected[f"o{number}"] = (day, day)
                connection.execute(
                    "insert into raw.orders values (?, ?, ?, 20)",
                    [f"o{number}", f"c{number % 7}", text],
                )
                connection.execute(
                    "insert into raw.refunds values (?, ?, ?, 1)",
                    [f"r{number}", f"o{number}", instant],
                )
        build_on_host(host, home)
        with duckdb.connect(home / "warehouse.duckdb") as connection:
            days = connection.execute(
                "select order_id, order_date, refund_date from staging.stg_shop__orders"
                " left join staging.stg_shop__refunds using (order_id)"
            ).fetchall()
            assert {name: (day, refund) for name, day, refund in days} == expected
            found.append(exported(connection, tmp_path / f"from_{home.name}"))
    assert found[0] == found[1] == found[2]


def build_on_host(zone: str, home: Path) -> None:
    """Run dbt in a process whose clock shows the time of a zone."""
    settings = TOTALS | {"business_timezone": BUSINESS_ZONE}
    subprocess.run(
        [
            *(Path(sys.executable).parent / "dbt", "--quiet", "--no-use-colors", "run"),
            *("--vars", settings_text(settings).replace(AS_OF, "2025-03-20")),
            *("--project-dir", str(REPOSITORY / "dbt_project")),
            *("--profiles-dir", str(REPOSITORY / "profiles")),
            *("--target-path", str(home / "target")),
            *("--log-path", str(home / "logs")),
        ],
        env=os.environ | {"TZ": zone, "LIFESTAGE_HOME": str(home)},
        cwd=home,
        check=True,
    )
