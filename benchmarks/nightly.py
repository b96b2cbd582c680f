"""What a night without news costs: the command against the same job as Dagster runs it by itself.

Run as `python -m benchmarks.nightly [--nights 3]`. Both take turns on the sample shop, each with a
warehouse of its own on which the day was computed before; a night is CPU seconds of the process
and of all that it starts.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.costs import ROOT, Cost, measure
from orchestration.config import load_config

DAY_TAG = "dagster/partition"


def environment(home: Path) -> dict[str, str]:
    """Where a night finds its state; the run history of the stock job is Dagster's own."""
    return {"LIFESTAGE_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}


def command(day: str) -> list[str]:
    """The nightly command."""
    return [sys.executable, "-m", "orchestration.cli", "refresh", "--as-of", day]


def stock(day: str) -> list[str]:
    """The same job, started by Dagster."""
    return [
        *(str(Path(sys.executable).with_name("dagster")), "job", "execute"),
        *("-m", "benchmarks.stock", "-j", "nightly_refresh", "--tags", json.dumps({DAY_TAG: day})),
    ]


def write_instance(folder: Path, *, is_own: bool) -> None:
    """Configure the run history: as the project does, or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    text = (ROOT / "dagster.yaml").read_text() if is_own else ""
    (folder / "dagster.yaml").write_text(text.replace("base_dir: .dagster", f"base_dir: {folder}"))


def main() -> None:
    """Let both take turns and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=3)
    nights = parser.parse_args().nights
    day = str(load_config(ROOT / "lifestage.yml").as_of)
    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, list[Cost]] = {}
        for number in range(nights + 1):
            for name, asked in (("command", command(day)), ("stock", stock(day))):
                home = Path(folder) / name
                write_instance(home / "dagster", is_own=name == "command")
                os.environ.update(environment(home))
                cost = measure(asked, home)
                if number:
                    found.setdefault(name, []).append(cost)
                print(f"{name} {number}: {cost.cpu:.1f} CPU s, {cost.wall:.1f} s", flush=True)
        medians = {
            name: statistics.median(cost.cpu for cost in costs) for name, costs in found.items()
        }
        print("\n| | CPU s |\n|:--|--:|")
        for name, seconds in medians.items():
            print(f"| {name} | {seconds:.1f} |")
        print(f"| command / stock | {medians['command'] / medians['stock']:.0%} |")


if __name__ == "__main__":
    main()
