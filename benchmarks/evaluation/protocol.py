"""The evaluation protocol: which trials are run, and what their counts mean for each goal.

A goal has a number, a target and a line in the report. Seeds for trying changes of the checks are
other ones than those of the report, so that no check was tuned to what it is reported on.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, TypeAlias

from benchmarks.evaluation import trials, volume
from benchmarks.evaluation.trials import Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Answers: TypeAlias = "dict[str, list[tuple[Trial, Any]]]"

REPORT_SEED = 20_260_630
TUNING_SEED = 778
KINDS: dict[str, Callable[[Trial], Any]] = {
    "year": trials.healthy_year,
    "steady": trials.steady_year,
    "seasonal": trials.steady_year,
    "first": trials.first_nights,
    "faults": trials.fault_nights,
    "volume": volume.volume_year,
    "drift": volume.slow_drift,
}
SMALL, MIDDLE, LARGE = 20, 200, 3_000


@dataclass(frozen=True)
class Plan:
    """How many companies of each size a kind of trial is given, and how many nights."""

    kind: str
    companies: dict[int, int]
    nights: int = 365
    season: float = 0.0


FULL = (
    Plan("year", {SMALL: 172, MIDDLE: 120, LARGE: 8}),
    Plan("steady", {MIDDLE: 32}),
    Plan("seasonal", {MIDDLE: 32}, season=0.5),
    Plan("first", {SMALL: 60, MIDDLE: 40}),
    Plan("faults", {SMALL: 110, MIDDLE: 110, LARGE: 6}),
    Plan("volume", {10: 250, 30: 250, 300: 250, 3_000: 250}),
    Plan("drift", {300: 150, 3_000: 150}),
)
QUICK = (
    Plan("year", {SMALL: 1, MIDDLE: 1}, nights=28),
    Plan("steady", {SMALL: 1}, nights=60),
    Plan("seasonal", {SMALL: 1}, nights=60, season=0.5),
    Plan("first", {SMALL: 1}),
    Plan("faults", {MIDDLE: 2}),
    Plan("volume", {10: 2, 30: 2, 300: 2, 3_000: 2}, nights=60),
    Plan("drift", {300: 2, 3_000: 2}, nights=60),
)


def trials_of(plans: Sequence[Plan], seed: int) -> Iterator[Trial]:
    """List the trials, the longest first; a company's seed does not depend on the others."""
    for place, plan in enumerate(plans):
        for size, number in sorted(plan.companies.items(), reverse=True):
            for company in range(number):
                yield Trial(plan.kind, (seed, place, size, company), size, plan.nights, plan.season)


def run_trial(trial: Trial) -> tuple[Trial, Any]:
    return trial, KINDS[trial.kind](trial)


def run_all(
    plans: Sequence[Plan], seed: int, jobs: int, report: Callable[[int, int], None]
) -> Answers:
    """Run every trial in processes of their own and sort the answers.

    Args:
        plans: what is run.
        seed: of the whole evaluation.
        jobs: processes.
        report: told how many of how many trials are done.

    Returns:
        Trials with their answers by kind, in the order of their seeds.
    """
    wanted = list(trials_of(plans, seed))
    found: list[tuple[Trial, Any]] = []
    with get_context("spawn").Pool(jobs) as pool:
        for one in pool.imap_unordered(run_trial, wanted, chunksize=1):
            found.append(one)
            report(len(found), len(wanted))
        # Leaving the pool would kill its workers, and one that still starts may not hear of it.
        pool.close()
        pool.join()
    answers: Answers = {plan.kind: [] for plan in plans}
    for trial, answer in sorted(found, key=lambda one: one[0].seed):
        answers[trial.kind].append((trial, answer))
    return answers


def total(counters: Sequence[Counter[Any]]) -> Counter[Any]:
    added: Counter[Any] = Counter()
    for counter in counters:
        added.update(counter)
    return added
