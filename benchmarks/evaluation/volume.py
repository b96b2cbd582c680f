"""Trials that need only the number of orders of each day: losses, doubles, slow drift.

Companies are drawn like those of `trials`, without customers, so there can be many of them. Late
orders are missing on the newest days here as well.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.evaluation import baselines
from benchmarks.evaluation.nights import read_definitions
from benchmarks.evaluation.worlds import (
    DAYS,
    LAST_YEAR,
    LATE_SHARE,
    MAX_LAG,
    daily_orders,
    draw_traits,
)
from orchestration.measures.night import Night, judge_night

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.evaluation.aggregates import Rows
    from benchmarks.evaluation.trials import Trial
    from benchmarks.evaluation.worlds import Ints, Traits
    from orchestration.measures.checks import Definition

# Days on which single-day faults are tried; they only look at their own night.
FAULT_DAYS = 5
# Part of a company's average day that a day must let expect to be tried at that size.
LEAST_EXPECTED = 1.0
DRIFT_PER_DAY = 0.01
DRIFT_NIGHTS = 60
OURS = "C02"
# What is left of a day, or how often it is there.
FAULTS: dict[str, Callable[[np.random.Generator, int], int]] = {
    "-50 %": lambda rng, count: int(rng.binomial(count, 0.5)),
    "-80 %": lambda rng, count: int(rng.binomial(count, 0.2)),
    "zero": lambda rng, count: 0,  # noqa: ARG005
    "double": lambda rng, count: 2 * count,  # noqa: ARG005
}


@dataclass
class VolumeYear:
    """Alarms of the rules about volume on one series.

    Attributes:
        alarms: days of a healthy year with an alarm, by rule.
        found: faults found on their day, by fault and rule.
        tried: faults tried.
        drift: days until a loss of 1 % a day was found, by rule; infinite if it was not.
    """

    alarms: Counter[str] = field(default_factory=Counter)
    found: Counter[tuple[str, str]] = field(default_factory=Counter)
    tried: Counter[str] = field(default_factory=Counter)
    drift: dict[str, float] = field(default_factory=dict)


class Shop:
    """The daily orders of a company, as each night sees them."""

    def __init__(self, traits: Traits, rng: np.random.Generator) -> None:
        self.traits = traits
        self.demand, self.counts = daily_orders(rng, traits)
        self.by_lag = rng.multinomial(self.counts, _lags())
        self._arrived = np.cumsum(self.by_lag, axis=1)

    def expected(self, day: int) -> float:
        demand = self.demand
        return float(self.traits.orders_per_day * demand.factor[day] * demand.growth[day])

    def seen(self, night: int, by_lag: Ints | None = None) -> Ints:
        """Orders of each day up to the night that have arrived by then."""
        arrived = self._arrived if by_lag is None else np.cumsum(by_lag, axis=1)
        days = np.arange(night + 1)
        return arrived[days, np.minimum(night - days, MAX_LAG)]


def _lags() -> list[float]:
    """Shares of orders that arrive after 0, 1, ... days, as `worlds` draws them."""
    late = [0.5**lag for lag in range(1, MAX_LAG)]
    return [1 - LATE_SHARE, *(LATE_SHARE * share for share in late), LATE_SHARE * late[-1]]


class Watch:
    """The checks of volume on a shop's nights."""

    def __init__(self, shop: Shop, definitions: Mapping[str, Definition]) -> None:
        self.shop = shop
        self.definitions = definitions
        first = shop.traits.first_day.toordinal()
        self._dates = [type(shop.traits.first_day).fromordinal(first + day) for day in range(DAYS)]
        kinds = {"promotion": shop.demand.promotions, "closed": shop.demand.closed}
        self._calendar = [
            {"date_day": self._dates[day], "kind": kind, "name": kind}
            for kind, days in kinds.items()
            for day in days
        ]

    def statuses(self, counts: Ints) -> dict[str, str]:
        """Status of each check about the orders of the shop; the last count is the day judged."""
        rows: Rows = [
            {"series": "orders", "subject": "all", "date_day": self._dates[day], "value": count}
            for day, count in enumerate(counts.tolist())
        ]
        tables = {"daily_series": rows, "calendar_days": self._calendar}
        results = judge_night(Night(self._dates[len(counts) - 1], tables), self.definitions)
        return {one.check_id: one.status for one in results if one.subject == "orders"}


def volume_year(trial: Trial) -> VolumeYear:
    """Healthy days and single-day faults, by our check and by the rules of others."""
    rng = np.random.default_rng(trial.seed)
    shop = Shop(draw_traits(rng, trial.orders_per_day), rng)
    watch = Watch(shop, read_definitions([OURS]))
    year = VolumeYear()
    nights = range(LAST_YEAR, LAST_YEAR + trial.nights)
    windows = np.array([shop.seen(night)[-baselines.VOLUME_DAYS :] for night in nights], float)
    for rule, alarms in baselines.VOLUME_RULES.items():
        year.alarms[rule] = int(alarms(windows).sum())
    for night in nights:
        status = watch.statuses(shop.seen(night))[OURS]
        year.alarms["C02, warning"] += status in {"warn", "error"}
        year.alarms["C02, error"] += status == "error"
    _try_faults(shop, watch, rng, year, trial)
    return year


def _try_faults(
    shop: Shop, watch: Watch, rng: np.random.Generator, year: VolumeYear, trial: Trial
) -> None:
    nights = range(LAST_YEAR, LAST_YEAR + trial.nights)
    least = LEAST_EXPECTED * trial.orders_per_day
    eligible = [day for day in nights if shop.expected(day) >= least]
    for day in sorted(rng.choice(eligible, min(FAULT_DAYS, len(eligible)), replace=False)):
        seen = shop.seen(int(day))
        for fault, happens in FAULTS.items():
            counts = seen.copy()
            counts[-1] = happens(rng, int(seen[-1]))
            year.tried[fault] += 1
            status = watch.statuses(counts)[OURS]
            year.found[fault, "C02, warning"] += status in {"warn", "error"}
            year.found[fault, "C02, error"] += status == "error"
            window = counts[-baselines.VOLUME_DAYS :][None, :].astype(float)
            for rule, alarms in baselines.VOLUME_RULES.items():
                year.found[fault, rule] += bool(alarms(window)[0])


def slow_drift(trial: Trial) -> VolumeYear:
    """Healthy nights of C50, then a loss of 1 % more every day from a random day on."""
    rng = np.random.default_rng(trial.seed)
    shop = Shop(draw_traits(rng, trial.orders_per_day), rng)
    watch = Watch(shop, read_definitions([OURS, "C50"]))
    year = VolumeYear()
    before = "pass"
    for night in range(LAST_YEAR, LAST_YEAR + trial.nights):
        status = watch.statuses(shop.seen(night))["C50"]
        year.alarms["C50"] += status == "warn" and before != "warn"
        before = status
    start = int(rng.integers(LAST_YEAR, DAYS - DRIFT_NIGHTS))
    days = np.arange(DAYS)
    kept = (1 - DRIFT_PER_DAY) ** np.maximum(days - start + 1, 0)
    by_lag = rng.binomial(shop.by_lag, kept[:, None])
    year.drift = dict.fromkeys(("C50", "C02"), np.inf)
    for day in range(DRIFT_NIGHTS):
        told = watch.statuses(shop.seen(start + day, by_lag))
        for check in year.drift:
            if told[check] in {"warn", "error"}:
                year.drift[check] = min(year.drift[check], day)
        if np.isfinite(year.drift["C50"]):
            break
    return year
