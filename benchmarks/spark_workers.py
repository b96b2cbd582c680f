"""How the history divides over the workers of a Spark cluster, as tables.

Run as `python -m benchmarks.spark_workers [--workers 1 2 4] [--orders 1000000] [--folder DIR]`. A
standalone cluster of processes on this machine builds staging, history and marts of a synthetic
shop (`benchmarks.shops`) with dbt, one core per worker, once for each number of workers and
orders; the last of these clusters is given the orders of one more day and computes that night, too.
How the log of events is read is in `benchmarks.spark_events`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import perf_counter

from pyhive import hive

from benchmarks.costs import ROOT
from benchmarks.runs import EVE
from benchmarks.shops import LAST_DAY, write_orders
from benchmarks.spark_events import Log, Work, read_log
from tests.engines import SparkCluster, spark_cluster

# Of a shuffle, and of the tables that are kept in buckets.
PARTS = 8
# As a cluster for large tables has it; that of the tests is made for tiny ones.
SETTINGS = {
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.codegen.wholeStage": "true",
    "spark.sql.codegen.factoryMode": "FALLBACK",
    "spark.sql.shuffle.partitions": str(PARTS),
    "spark.driver.extraJavaOptions": "-XX:+UseSerialGC",
    "spark.executor.extraJavaOptions": "-XX:+UseSerialGC",
}
DEAREST, DEAR = 12, ("int_customer_days", "int_timeline_intervals")
MB = 1e6


@dataclass(frozen=True)
class Measured:
    """One build.

    Attributes:
        workers: The processes that did tasks, one core each.
        orders: The orders of the shop.
        customers: Who placed them.
        wall: Seconds of the whole command of dbt.
        log: What the cluster did.
        night: What it did to add the orders of one day, if it was asked to.
    """

    workers: int
    orders: int
    customers: int
    wall: float
    log: Log
    night: Log | None


def run(workers: int, size: int, folder: Path, *, with_night: bool) -> Measured:
    """Build one shop on a cluster of its own."""
    orders = folder / f"orders_{size}.parquet"
    if not orders.exists():
        write_orders(orders, size)
    with spark_cluster(workers, settings=SETTINGS) as cluster:
        count, customers = _load(cluster, orders)
        wall = _build(cluster, EVE)
        told = _events(cluster)
        print(f"{count:,} orders on {workers} workers: {wall:.0f} s", file=sys.stderr)
        night = None
        if with_night:
            _deliver(cluster, orders)
            _build(cluster, LAST_DAY)
            night = read_log(_events(cluster)[len(told) :])
        return Measured(workers, count, customers, wall, read_log(told), night)


def _events(cluster: SparkCluster) -> list[str]:
    """The log of what has happened so far, without a line that is still written."""
    (log,) = cluster.home.glob("events/*")
    return log.read_text().split("\n")[:-1]


def _deliver(cluster: SparkCluster, orders: Path) -> None:
    """Add the orders of the last day."""
    with (
        closing(hive.connect("127.0.0.1", cluster.port)) as connection,
        closing(connection.cursor()) as cursor,
    ):
        cursor.execute(
            f"insert into raw.orders select * from parquet.`{orders}`"
            f" where ordered_at >= date '{LAST_DAY}'"
        )


def _load(cluster: SparkCluster, orders: Path) -> tuple[int, int]:
    """Make the table of raw orders up to the eve; return the numbers of orders and of customers."""
    with (
        closing(hive.connect("127.0.0.1", cluster.port)) as connection,
        closing(connection.cursor()) as cursor,
    ):
        cursor.execute("create schema raw")
        cursor.execute(
            f"create table raw.orders using parquet as select * from parquet.`{orders}`"
            f" where ordered_at < date '{LAST_DAY}'"
        )
        cursor.execute("select count(*), count(distinct customer_id) from raw.orders")
        ((count, customers),) = cursor.fetchall()
        return count, customers


def _build(cluster: SparkCluster, as_of: date) -> float:
    """Build staging, history and marts; return the seconds it took."""
    described = {"relation": "raw", "text": False, "date_formats": [], "source_timezone": "UTC"}
    variables = {"as_of_date": as_of.isoformat(), "inputs": {"orders": described}}
    started = perf_counter()
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("dbt")), "--quiet", "build"),
            *("--exclude-resource-type", "test", "unit_test"),
            *("--exclude", "fqn:lifestage.sample"),
            *("fqn:lifestage.quality", "fqn:lifestage.activation"),
            *("--vars", json.dumps(variables)),
            *("--project-dir", "dbt_project", "--profiles-dir", "profiles"),
            *("--target-path", str(cluster.home / "target")),
            *("--log-path", str(cluster.home / "logs")),
        ],
        cwd=ROOT,
        env=os.environ
        | {
            "LIFESTAGE_TARGET": "spark",
            "LIFESTAGE_SPARK_PORT": str(cluster.port),
            "LIFESTAGE_SPARK_BUCKETS": str(PARTS),
            "LIFESTAGE_HOME": str(cluster.home),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"dbt failed:\n{done.stdout[-3000:]}")
    return perf_counter() - started


def report(builds: list[Measured]) -> None:
    """Print how the builds compare, and of the last one its models and shuffles."""
    print("\n| workers | orders | customers | wall s | CPU s | stages | tasks | of each worker |")
    print("|--:|--:|--:|--:|--:|--:|--:|:--|")
    for one in builds:
        work = one.log.total
        each = " : ".join(str(number) for _, number in sorted(work.tasks.items()))
        print(
            f"| {one.workers} | {one.orders:,} | {one.customers:,} | {one.wall:.0f}"
            f" | {work.cpu:.0f} | {len(work.stages):,} | {work.tasks.total():,} | {each} |"
        )
    print("\n| workers | orders | shuffled MB | spilled MB | written MB |")
    print("|--:|--:|--:|--:|--:|")
    for one in builds:
        work = one.log.total
        volumes = (work.shuffled, work.spilled, work.written)
        print(
            f"| {one.workers} | {one.orders:,} |"
            + "".join(f" {volume / MB:,.1f} |" for volume in volumes)
        )
    _report_models(builds[-1])
    _report_night(builds[-1])


def _report_models(build: Measured) -> None:
    """Print where the work of one build went."""
    title = f"{build.orders:,} orders on {build.workers} workers"
    print(f"\n{title}:\n\n| model | CPU s | stages | tasks | shuffled MB | written MB |")
    print("|:--|--:|--:|--:|--:|--:|")
    models = sorted(build.log.models.items(), key=lambda item: -item[1].cpu)
    for name, work in models[:DEAREST]:
        print(
            f"| `{name}` | {work.cpu:.1f} | {len(work.stages)} | {work.tasks.total()}"
            f" | {work.shuffled / MB:.2f} | {work.written / MB:.2f} |"
        )
    print("\n| model | rows brought together by | shuffled MB |\n|:--|:--|--:|")
    for name in DEAR:
        for keys, volume in sorted(build.log.exchanges.get(name, ()), key=lambda one: -one[1]):
            print(f"| `{name}` | {keys} | {volume / MB:.3f} |")


def _report_night(build: Measured) -> None:
    """Print what a night writes beside what the build wrote."""
    if build.night is None:
        return
    print("\n| model | written MB, all | a night | CPU s, all | a night |\n|:--|--:|--:|--:|--:|")
    named = sorted(build.log.models.items(), key=lambda item: -item[1].written)[:DEAREST]
    for name, work, night in [
        *((f"`{name}`", work, build.night.models.get(name, Work())) for name, work in named),
        ("all", build.log.total, build.night.total),
    ]:
        print(
            f"| {name} | {work.written / MB:.2f} | {night.written / MB:.2f}"
            f" | {work.cpu:.1f} | {night.cpu:.1f} |"
        )


def main() -> None:
    """Measure every number of workers with every number of orders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--orders", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--folder", type=Path, help="where the shops are kept")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lifestage-") as scratch:
        folder = (arguments.folder or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        asked = [(w, o) for o in arguments.orders for w in arguments.workers]
        report([run(*one, folder, with_night=one == asked[-1]) for one in asked])


if __name__ == "__main__":
    main()
