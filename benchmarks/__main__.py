"""What exact history costs: full build and daily refresh against one hand-written query.

Run as `python -m benchmarks [--sizes 1000000 10000000] [--folder DIR]`. Every figure is the
operating system's account of a whole process. The work of the warehouse is what a process used
less what the same command uses on a shop of a few orders, so the start of dbt is not counted.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import perf_counter

import duckdb

from benchmarks.shops import LAST_DAY, write_orders

ROOT = Path(__file__).parents[1]
EVE = LAST_DAY - timedelta(days=1)
NEW_SHARE = 0.001
COMPARED = (
    "intermediate.int_customer_days",
    "intermediate.int_scorecard_cuts",
    "intermediate.int_timeline_intervals",
    "intermediate.int_customers_current",
    "marts.segment_transitions",
    "marts.segment_daily_metrics",
)


@dataclass(frozen=True)
class Cost:
    """CPU and wall seconds and the peak memory of one process, in MB."""

    cpu: float
    wall: float
    peak: float


def measure(command: list[str], home: Path) -> Cost:
    """Run a command to its end and return what it cost."""
    environment = os.environ | {"LIFESTAGE_HOME": str(home)}
    log = home / "command.log"
    started = perf_counter()
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
    wall = perf_counter() - started
    if status != 0:
        sys.exit(f"{' '.join(command[:4])} failed:\n{log.read_text()[-3000:]}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


def dbt(home: Path, as_of: str, *flags: str) -> Cost:
    """Build everything but tests, as the nightly job does."""
    described = {"relation": "raw", "text": False, "date_formats": [], "source_timezone": "UTC"}
    variables = {"as_of_date": as_of, "inputs": {"orders": described}}
    return measure(
        [
            *(str(Path(sys.executable).with_name("dbt")), "--quiet", "build"),
            *("--exclude-resource-type", "test", "unit_test"),
            *("--exclude", "fqn:lifestage.sample"),
            *("--vars", json.dumps(variables), *flags),
            *("--project-dir", "dbt_project", "--profiles-dir", "profiles"),
            *("--target-path", str(home / "target"), "--log-path", str(home / "logs")),
        ],
        home,
    )


def prepare(home: Path, orders: Path) -> int:
    """Fill a warehouse up to the eve of the last day; return the number of orders."""
    home.mkdir(parents=True)
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute("create schema raw")
        connection.execute(
            f"create table raw.orders as from '{orders}' where ordered_at < ?", [LAST_DAY]
        ).fetchall()
        return connection.execute("select count(*) from raw.orders").fetchall()[0][0]


def deliver(home: Path, orders: Path, number: int) -> int:
    """Add the orders of the last day, at most so many; return how many there were."""
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        return connection.execute(
            f"insert into raw.orders "
            f"from '{orders}' where ordered_at >= ? order by order_id limit ?",
            [LAST_DAY, number],
        ).fetchall()[0][0]


def differences(one: Path, other: Path) -> int:
    """Count rows that are in one warehouse and not in the other, over the tables compared."""
    with duckdb.connect(config={"memory_limit": "8GB"}) as connection:
        connection.execute(f"attach '{one / 'warehouse.duckdb'}' as a (read_only)")
        connection.execute(f"attach '{other / 'warehouse.duckdb'}' as b (read_only)")
        return sum(
            connection.execute(
                f"select count(*) from (from {left}.{table} except from {right}.{table})"
            ).fetchall()[0][0]
            for table in COMPARED
            for left, right in (("a", "b"), ("b", "a"))
        )


def run(size: int, folder: Path, floor: tuple[Cost, Cost] | None) -> tuple[Cost, Cost]:
    """Measure one size and print its lines; return the costs of build and refresh."""
    orders = folder / f"orders_{size}.parquet"
    if not orders.exists():
        write_orders(orders, size)
    home = Path(tempfile.mkdtemp(prefix=f"shop_{size}_", dir=folder)) / "home"
    try:
        number = prepare(home, orders)
        query = measure(
            [
                *(sys.executable, "-m", "benchmarks.reference_query"),
                *(str(home / "warehouse.duckdb"), EVE.isoformat(), str(home / "scored.parquet")),
            ],
            home,
        )
        full = dbt(home, EVE.isoformat())
        delivered = deliver(home, orders, max(1, int(number * NEW_SHARE)))
        refresh = dbt(home, LAST_DAY.isoformat())
        if floor is None:
            return full, refresh
        again = home.parent / "again"
        again.mkdir()
        shutil.copy(home / "warehouse.duckdb", again)
        dbt(again, LAST_DAY.isoformat(), "--full-refresh")
        report(number, delivered, query, (full, refresh), floor)
        print(f"rows that differ between the refresh and a full build: {differences(home, again)}")
        return full, refresh
    finally:
        shutil.rmtree(home.parent)


def report(
    number: int, delivered: int, query: Cost, costs: tuple[Cost, Cost], floor: tuple[Cost, Cost]
) -> None:
    """Print a table of one size."""
    full, refresh = (cost.cpu - base.cpu for cost, base in zip(costs, floor, strict=True))
    print(f"\n{number:,} orders, then {delivered:,} new ones")
    print(f"{'':34}{'CPU s':>8}{'own work':>10}{'wall s':>8}{'peak MB':>9}")
    lines = (
        ("hand-written query, one date", query, query.cpu),
        ("full build, three years of days", costs[0], full),
        ("daily refresh", costs[1], refresh),
    )
    for name, cost, own in lines:
        print(f"{name:34}{cost.cpu:8.1f}{own:10.1f}{cost.wall:8.1f}{cost.peak:9.0f}")
    print(
        f"full build / query: {full / query.cpu:.1f}   refresh / full build: {refresh / full:.1%}"
    )


def main() -> None:
    """Measure the sizes asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--folder", type=Path, default=ROOT / ".lifestage" / "benchmarks")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    floor = run(1_000, arguments.folder, None)
    for size in arguments.sizes:
        run(size, arguments.folder, floor)


if __name__ == "__main__":
    main()
