"""One shop from its first build to its third night: every run as a process, every question timed.

Costs are measured in `benchmarks.costs`, shops made in `benchmarks.shops`, other tools called in
`benchmarks.peers`; the tables that are printed are in `benchmarks.__main__`.
"""

import importlib.util
import json
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import median
from time import perf_counter

import duckdb

from benchmarks.costs import Cost, apart, measure
from benchmarks.peers import PEERS
from benchmarks.shops import LAST_DAY

EVE = LAST_DAY - timedelta(days=1)
NEW_SHARE = 0.001
RESTATED_DAYS = 30
COUNTED_DAYS = 365
LOOKUPS = 20
NO_PEERS_ABOVE = {"pandas_notebook": 20_000_000, "lifetimes_summary": 20_000_000}
NO_PEERS_ABOVE |= {"pandas_vectorised": 40_000_000}
COMPARED = (
    "staging.stg_shop__orders",
    "intermediate.int_customer_days",
    "intermediate.int_scorecard_cuts",
    "intermediate.int_timeline_intervals",
    "intermediate.int_customers_current",
    "marts.segment_transitions",
    "marts.segment_daily_metrics",
)
QUERY, BUILD, REFRESH, RESTATE, CHECKS = (
    "hand-written query, one date",
    "full build, every day of three years",
    "daily refresh, 0.1 % new orders",
    f"restating the last {RESTATED_DAYS} days",
    "checks and audiences of that night",
)


@dataclass
class Measured:
    """What one shop cost."""

    orders: int
    new_orders: int = 0
    costs: dict[str, Cost] = field(default_factory=dict)
    lookup_ms: float = 0
    published_lookup_ms: float = 0
    counts_ms: float = 0
    file_mb: float = 0
    differing: int | None = None


def measure_shop(orders: Path, home: Path, *, with_peers: bool, compares: bool) -> Measured:
    """Build, ask, refresh and restate one shop.

    Args:
        orders: The Parquet file of all orders.
        home: An empty folder for its warehouse.
        with_peers: Whether other tools score the same orders.
        compares: Whether the result of the nights is compared with a build from nothing.
    """
    measured = Measured(apart(_prepare, home, orders))
    costs = measured.costs
    query = [
        *(sys.executable, "-m", "benchmarks.reference_query"),
        *(str(home / "warehouse.duckdb"), EVE.isoformat(), str(home / "scored.parquet")),
    ]
    _keep(costs, QUERY, measure(query, home))
    if with_peers:
        costs.update(_peers(orders, home, measured.orders))
    _keep(costs, BUILD, _history(home, EVE.isoformat()))
    measured.file_mb = (home / "warehouse.duckdb").stat().st_size / 1e6
    measured.lookup_ms, measured.counts_ms = apart(_ask, home)
    measured.published_lookup_ms = apart(_ask_published, home)
    ordered = max(1, int(measured.orders * NEW_SHARE))
    measured.new_orders = apart(_deliver, home, orders, ordered)
    _keep(costs, REFRESH, _history(home, LAST_DAY.isoformat()))
    _keep(costs, CHECKS, _dbt(home, LAST_DAY.isoformat(), *("--select", *_LEFT_OUT)))
    apart(_correct, home)
    _keep(costs, RESTATE, _history(home, LAST_DAY.isoformat()))
    if compares:
        measured.differing = apart(_differing, home)
    return measured


def _keep(costs: dict[str, Cost], name: str, cost: Cost) -> None:
    """Note what a process cost, and tell it at once: one of a later hour may fail."""
    costs[name] = cost
    told = f"{cost.cpu:.1f} CPU s, {cost.wall:.1f} s of wall, peak {cost.peak:,.0f} MB"
    print(f"{name}: {told}", file=sys.stderr, flush=True)


# Intermediate models that nothing but the checks and the audiences reads, counted with those.
FOR_CHECKS_ALONE = (
    "int_feature_values",
    "int_flow_windows",
    "int_movement_blocks",
    "int_net_moves",
    "int_segment_futures",
)
_LEFT_OUT = ("fqn:lifestage.quality", "fqn:lifestage.activation", *FOR_CHECKS_ALONE)


def _history(home: Path, as_of: str, *flags: str) -> Cost:
    """Build staging, history and marts, and nothing that only looks at them."""
    return _dbt(home, as_of, "--exclude", "fqn:lifestage.sample", *_LEFT_OUT, *flags)


def _dbt(home: Path, as_of: str, *arguments: str) -> Cost:
    described = {"relation": "raw", "text": False, "date_formats": [], "source_timezone": "UTC"}
    variables = {"as_of_date": as_of, "inputs": {"orders": described}}
    return measure(
        [
            *(str(Path(sys.executable).with_name("dbt")), "--quiet", "build"),
            *("--exclude-resource-type", "test", "unit_test"),
            *("--vars", json.dumps(variables), *arguments),
            *("--project-dir", "dbt_project", "--profiles-dir", "profiles"),
            *("--target-path", str(home / "target"), "--log-path", str(home / "logs")),
        ],
        home,
    )


def _prepare(home: Path, orders: Path) -> int:
    """Fill a warehouse up to the eve of the last day; return the number of orders."""
    home.mkdir(parents=True)
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute("create schema raw")
        connection.execute(
            f"create table raw.orders as from '{orders}' where ordered_at < ?", [LAST_DAY]
        ).fetchall()
        return connection.execute("select count(*) from raw.orders").fetchall()[0][0]


def _deliver(home: Path, orders: Path, number: int) -> int:
    """Add the orders of the last day, at most so many; return how many there were."""
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        return connection.execute(
            f"insert into raw.orders "
            f"from '{orders}' where ordered_at >= ? order by order_id limit ?",
            [LAST_DAY, number],
        ).fetchall()[0][0]


def _correct(home: Path) -> None:
    """Correct one order in a hundred on each of the last days."""
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute(
            "update raw.orders set amount = amount + 0.01 "
            "where ordered_at >= ? and hash(order_id) % 100 = 0",
            [LAST_DAY - timedelta(days=RESTATED_DAYS - 1)],
        ).fetchall()


def _peers(orders: Path, home: Path, number: int) -> dict[str, Cost]:
    costs = {}
    for name, (_, packages, title) in PEERS.items():
        if any(importlib.util.find_spec(package) is None for package in packages):
            print(f"{title}: left out, {', '.join(packages)} not installed")
        elif number > NO_PEERS_ABOVE.get(name, number):
            print(f"{title}: left out, it does not fit into memory at this size")
        else:
            command = [sys.executable, "-m", "benchmarks.peers", name, str(orders)]
            costs[title] = measure([*command, EVE.isoformat(), str(home / "peer.parquet")], home)
    return costs


def _ask(home: Path) -> tuple[float, float]:
    """Return milliseconds of the label of one customer on one day, and of a year of counts."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        connection.execute("set threads = 2")
        lookup = _look_up(connection, "marts.customer_timeline")
        counts = [
            _milliseconds(
                connection,
                "select date_day, segment, customers from marts.segment_daily_metrics "
                "where date_day > ?",
                [EVE - timedelta(days=COUNTED_DAYS)],
            )
            for _ in range(LOOKUPS)
        ]
    return lookup, median(counts)


def _ask_published(home: Path) -> float:
    """Return the milliseconds of the same label where readers ask: in a table in public order."""
    published = home.parent / "published.duckdb"
    with duckdb.connect(str(published), config={"memory_limit": "3GB"}) as connection:
        connection.execute(f"attach '{home / 'warehouse.duckdb'}' as warehouse (read_only)")
        connection.execute(
            "create table customer_timeline as from warehouse.marts.customer_timeline "
            "order by customer_id, valid_from"
        ).fetchall()
    with duckdb.connect(str(published), read_only=True) as connection:
        connection.execute("set threads = 2")
        milliseconds = _look_up(connection, "customer_timeline")
    published.unlink()
    return milliseconds


def _look_up(connection: duckdb.DuckDBPyConnection, timeline: str) -> float:
    """Return the median milliseconds of the label of a customer on a past day."""
    day = EVE - timedelta(days=400)
    customers = connection.execute(
        f"select customer_id from (select distinct customer_id from {timeline}) "
        f"using sample reservoir({LOOKUPS} rows) repeatable (1)"
    ).fetchall()
    return median(
        _milliseconds(
            connection,
            f"select segment, lifecycle_stage from {timeline} "
            "where customer_id = ? and ? >= valid_from and ? < valid_to",
            [customer, day, day],
        )
        for (customer,) in customers
    )


def _milliseconds(connection: duckdb.DuckDBPyConnection, query: str, values: list[object]) -> float:
    started = perf_counter()
    connection.execute(query, values).fetchall()
    return (perf_counter() - started) * 1000


def _differing(home: Path) -> int:
    """Count the rows that a build from nothing of the same raw orders would have otherwise."""
    again = home.parent / "again"
    again.mkdir()
    with duckdb.connect(str(again / "warehouse.duckdb"), config={"memory_limit": "3GB"}) as copy:
        copy.execute(f"attach '{home / 'warehouse.duckdb'}' as nights (read_only)")
        copy.execute("create schema raw")
        copy.execute("create table raw.orders as from nights.raw.orders").fetchall()
    _history(again, LAST_DAY.isoformat())
    with duckdb.connect(config={"memory_limit": "8GB"}) as connection:
        connection.execute(f"set temp_directory = '{again / 'spilled'}'")
        connection.execute(f"attach '{home / 'warehouse.duckdb'}' as a (read_only)")
        connection.execute(f"attach '{again / 'warehouse.duckdb'}' as b (read_only)")
        return sum(_differing_rows(connection, table) for table in COMPARED)


def _differing_rows(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """Count the rows of a table that only one of two warehouses has.

    Rows are told apart one by one only where their number or the sum of their hashes differs: that
    takes a multiple of the memory of the tables.
    """
    sums = [
        connection.execute(
            f"select count(*), sum(hash(one)::hugeint) from {warehouse}.{table} as one"
        ).fetchall()
        for warehouse in ("a", "b")
    ]
    if sums[0] == sums[1]:
        return 0
    return sum(
        connection.execute(
            f"select count(*) from (from {left}.{table} except all from {right}.{table})"
        ).fetchall()[0][0]
        for left, right in (("a", "b"), ("b", "a"))
    )
