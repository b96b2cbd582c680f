"""How often the checks alarm for nothing, and how soon they find what goes wrong.

Run as `python -m benchmarks.evaluate [--quick] [--jobs N] [--seed N]`. Companies are simulated for
three years and judged night by night as they ship; faults are put into copies of them, and the
rules of other tools are asked on the same days. The same seed prints the same text, on any number
of processes. `docs/evaluation.md` keeps it and says what it means; the parts are in
`benchmarks.evaluation`.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from benchmarks.evaluation.goals import all_lines, check_table, drift_table, volume_table
from benchmarks.evaluation.protocol import (
    FULL,
    MIDDLE,
    QUICK,
    REPORT_SEED,
    run_all,
    trials_of,
)
from benchmarks.evaluation.report import goals_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.evaluation.protocol import Plan

STEPS = 20


def evaluation(
    plans: Sequence[Plan], seed: int, jobs: int, report: Callable[[int, int], None]
) -> str:
    """Run the trials and write what they gave as one text."""
    answers = run_all(plans, seed, jobs, report)
    lines = all_lines(answers)
    met = sum(line.verdict.startswith("met") for line in lines)
    missed = sum(line.verdict.startswith("missed") for line in lines)
    companies = sum(1 for _ in trials_of(plans, seed))
    parts = (
        f"Seed {seed}, {companies:,} companies; {met} goals met, {missed} missed.",
        "## Goals",
        goals_table(lines),
        "## Alarms that begin in a healthy year, by check",
        check_table(answers["year"]),
        "## Rules about volume on the same days",
        volume_table(answers["volume"]),
        f"## Rules about drift on the same nights, {MIDDLE} orders a day",
        drift_table(answers["year"], answers["faults"], MIDDLE),
    )
    return "\n\n".join(parts)


def _tell(done: int, wanted: int) -> None:
    if done == wanted or done % max(1, wanted // STEPS) == 0:
        print(f"{done:,} of {wanted:,} companies", file=sys.stderr, flush=True)


def main() -> None:
    """Evaluate as asked for."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="a few companies, to see it work")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--seed", type=int, default=REPORT_SEED)
    arguments = parser.parse_args()
    # Each process computes on its own; threads of the linear algebra would only get in its way.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    plans = QUICK if arguments.quick else FULL
    print(evaluation(plans, arguments.seed, arguments.jobs, _tell))


if __name__ == "__main__":
    main()
