"""What exact history costs beside one hand-written query and beside other tools, as tables.

Run as `python -m benchmarks [--sizes 1000000 10000000 100000000] [--folder DIR] [--no-peers]
[--no-comparison]`. Every figure is the operating system's account of a whole process. The work of
the warehouse is what a process used less what the same command uses on a shop of a few orders, so
the start of dbt is not counted. What is run is in `benchmarks.runs`.
"""

import argparse
import shutil
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.costs import ROOT, apart, growth
from benchmarks.runs import (
    BUILD,
    CHECKS,
    COUNTED_DAYS,
    QUERY,
    REFRESH,
    RESTATE,
    Measured,
    measure_shop,
)
from benchmarks.shops import write_orders

FEW_ORDERS = 1_000
FLOORS = 3
DBT_RUNS = (BUILD, REFRESH, RESTATE, CHECKS)


def run(size: int, folder: Path, *, with_peers: bool, compares: bool) -> Measured:
    """Measure a shop of one size in a folder that is removed afterwards."""
    orders = folder / f"orders_{size}.parquet"
    if not orders.exists():
        apart(write_orders, orders, size)
    home = Path(tempfile.mkdtemp(prefix=f"shop_{size}_", dir=folder)) / "home"
    try:
        return measure_shop(orders, home, with_peers=with_peers, compares=compares)
    finally:
        shutil.rmtree(home.parent)


def start_of_dbt(folder: Path) -> dict[str, float]:
    """Return the CPU seconds of each process of dbt on a shop of a few orders, in the median."""
    shops = [run(FEW_ORDERS, folder, with_peers=False, compares=False) for _ in range(FLOORS)]
    return {name: median(shop.costs[name].cpu for shop in shops) for name in DBT_RUNS}


def own_work(measured: Measured, floor: dict[str, float]) -> dict[str, float]:
    """Return the CPU seconds of each process, for those of dbt without its start."""
    return {name: cost.cpu - floor.get(name, 0) for name, cost in measured.costs.items()}


def report(measured: Measured, floor: dict[str, float]) -> None:
    """Print the tables of one size."""
    work = own_work(measured, floor)
    print(f"\n{measured.orders:,} orders, then {measured.new_orders:,} new ones:\n")
    print("| | CPU s | own work | x query | wall s | peak MB |")
    print("|:--|--:|--:|--:|--:|--:|")
    for name, cost in measured.costs.items():
        print(
            f"| {name} | {cost.cpu:.1f} | {work[name]:.1f} | {work[name] / work[QUERY]:.1f} "
            f"| {cost.wall:.1f} | {cost.peak:,.0f} |"
        )
    print("\n| | measured |\n|:--|--:|")
    print(f"| refresh / full build | {work[REFRESH] / work[BUILD]:.1%} |")
    print(f"| restating / query | {work[RESTATE] / work[QUERY]:.1f} |")
    print(f"| label of a customer on a past day, warehouse | {measured.lookup_ms:.1f} ms |")
    print(f"| the same as published | {measured.published_lookup_ms:.1f} ms |")
    print(f"| counts of {COUNTED_DAYS} days | {measured.counts_ms:.1f} ms |")
    print(f"| warehouse file with the raw orders | {measured.file_mb:,.0f} MB |")
    if measured.differing is not None:
        print(f"| rows that differ from a full build after all nights | {measured.differing} |")


def report_growth(shops: list[Measured], floor: dict[str, float]) -> None:
    """Print the exponent of size that the CPU seconds of each process grow with."""
    print("\n| own work = a x orders^b | b |\n|:--|--:|")
    works = [own_work(shop, floor) for shop in shops]
    for name in works[0]:
        both = [(s.orders, w[name]) for s, w in zip(shops, works, strict=True) if name in w]
        exponent = growth([orders for orders, _ in both], [work for _, work in both])
        if exponent is not None:
            print(f"| {name} | {exponent:.2f} |")


def main() -> None:
    """Measure the sizes asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--folder", type=Path, default=ROOT / ".lifestage" / "benchmarks")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--no-comparison", action="store_true")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    floor = start_of_dbt(arguments.folder)
    print(f"taken off for the start of dbt, CPU s: {floor}", flush=True)
    shops = []
    for size in arguments.sizes:
        shops.append(
            run(
                size,
                arguments.folder,
                with_peers=not arguments.no_peers,
                compares=not arguments.no_comparison,
            )
        )
        report(shops[-1], floor)
    if len(shops) > 1:
        report_growth(shops, floor)


if __name__ == "__main__":
    main()
