"""Rates with their bounds, goals with what became of them, and the tables that are printed.

A goal is met when the 95 % bound meets it, not the point. A goal of 100 % can be met by no finite
number of trials; it counts as met when no trial failed, and the bound is printed beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2


@dataclass(frozen=True)
class Estimate:
    """A number with its two-sided 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Line:
    """One line of the table of goals."""

    goal: str
    what: str
    target: str
    trials: str = ""
    measured: str = ""
    bounds: str = ""
    verdict: str = ""


def clopper_pearson(hits: int, trials: int) -> Estimate:
    """Share of trials that hit, with the exact interval of Clopper and Pearson 1934."""
    if trials == 0:
        return Estimate(float("nan"), 0.0, 1.0)
    low = float(stats.beta.ppf(TAIL, hits, trials - hits + 1)) if hits else 0.0
    high = float(stats.beta.ppf(1 - TAIL, hits + 1, trials - hits)) if hits < trials else 1.0
    return Estimate(hits / trials, low, high)


def rate(counts: Sequence[int], years_each: float = 1.0) -> Estimate:
    """Events per year over companies, with the exact Poisson interval (Garwood 1936).

    Events of one company come together. The counts are divided by their variance over their mean
    before the interval is taken, if that is above 1, so it is as wide as the companies differ.

    Args:
        counts: events of each company.
        years_each: years that each company was watched.
    """
    total, years = sum(counts), years_each * len(counts)
    mean = total / len(counts)
    spread = float(np.var(counts, ddof=1)) / mean if total and len(counts) > 1 else 1.0
    spread = max(spread, 1.0)
    events = total / spread
    low = float(stats.chi2.ppf(TAIL, 2 * events)) / 2 * spread if total else 0.0
    high = float(stats.chi2.ppf(1 - TAIL, 2 * events + 2)) / 2 * spread
    return Estimate(total / years, low / years, high / years)


def median_delay(delays: Sequence[float]) -> Estimate:
    """Median of delays, infinite ones included, with the interval from order statistics."""
    ordered = np.sort(np.asarray(delays, float))
    number = len(ordered)
    below = int(stats.binom.ppf(TAIL, number, 0.5))
    low, high = ordered[max(below - 1, 0)], ordered[min(number - below, number - 1)]
    middle = np.median(ordered) if np.isfinite(ordered[number // 2]) else np.inf
    return Estimate(float(middle), float(low), float(high))


def share_line(
    goal: str,
    what: str,
    hits: int,
    trials: int,
    *,
    least: float | None = None,
    most: float | None = None,
) -> Line:
    """Line of a share that must not fall below `least`, or not rise above `most`."""
    found = clopper_pearson(hits, trials)
    if least is not None:
        target = f">= {percent(least)}"
        verdict = _at_least(found, least, trials - hits)
    elif most is not None:
        target = f"<= {percent(most)}"
        verdict = _at_most(found.value, found.high, most, percent)
    else:
        target, verdict = "", "no goal"
    return Line(
        goal,
        what,
        target,
        f"{hits:,} of {trials:,}",
        percent(found.value),
        f"{percent(found.low)} to {percent(found.high)}",
        verdict,
    )


def _at_least(found: Estimate, least: float, misses: int) -> str:
    if least >= 1:
        if not misses:
            return "met: no miss"
        return f"missed in {misses:,}, by {points(1 - found.value)}"
    if found.low >= least:
        return "met"
    return f"missed by {points(least - found.low)}" + _only_bound(found.value >= least)


def _at_most(value: float, high: float, most: float, written: Callable[[float], str]) -> str:
    if high <= most:
        return "met"
    return f"missed by {written(high - most)}" + _only_bound(value <= most)


def _only_bound(point_meets: bool) -> str:
    return " (bound only; the point meets it)" if point_meets else ""


def rate_line(
    goal: str, what: str, counts: Sequence[int], most: float | None, years_each: float = 1.0
) -> Line:
    """Line of events per year that must not exceed `most`."""
    found = rate(counts, years_each)
    verdict = "no goal" if most is None else _at_most(found.value, found.high, most, number)
    return Line(
        goal,
        what,
        "" if most is None else f"<= {number(most)} per year",
        f"{sum(counts):,} in {years_each * len(counts):,.0f} years",
        f"{number(found.value)} per year",
        f"{number(found.low)} to {number(found.high)}",
        verdict,
    )


def delay_line(goal: str, what: str, delays: Sequence[float], most: float) -> Line:
    """Line of a median delay in days that must not exceed `most`."""
    found = median_delay(delays)
    verdict = _at_most(found.value, found.high, most, days)
    return Line(
        goal,
        what,
        f"median <= {days(most)}",
        f"{len(delays):,}",
        days(found.value),
        f"{days(found.low)} to {days(found.high)}",
        verdict,
    )


def percent(value: float) -> str:
    if value != value:  # noqa: PLR0124 - the only number that differs from itself
        return "-"
    text = f"{100 * value:.2f}".rstrip("0").rstrip(".")
    return f"{text} %"


def points(value: float) -> str:
    return f"{100 * value:.1f} points"


def number(value: float) -> str:
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def days(value: float) -> str:
    return "never" if np.isinf(value) else f"{value:g} d"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table, its columns padded to one width."""
    widths = [max(len(row[place]) for row in (header, *rows)) for place in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )


def goals_table(lines: Sequence[Line]) -> str:
    header = ("", "what", "goal", "trials", "measured", "95 % interval", "")
    rows = [
        (one.goal, one.what, one.target, one.trials, one.measured, one.bounds, one.verdict)
        for one in lines
    ]
    return markdown(header, rows)
