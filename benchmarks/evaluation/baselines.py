"""What other tools would have said of the same days: their rules, written down again.

Each function names the source that it follows. Defaults are those that the tools ship; where a
choice was open, the one that favours the tool was taken. Volume rules take counts per day and
answer for many days at once; drift rules compare two samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats
from scipy.spatial.distance import jensenshannon

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from benchmarks.evaluation.worlds import Bools, Floats, Ints

WEEK = 7


def windows_of(values: Floats | Ints, days: int) -> Floats:
    """Days that end with each day of a series, its own value last; NaN before the beginning.

    Args:
        values: shape (n,).
        days: length of a window.

    Returns:
        Shape (n, days).
    """
    places = np.arange(len(values))[:, None] - np.arange(days - 1, -1, -1)
    return np.where(places >= 0, np.asarray(values, float)[np.maximum(places, 0)], np.nan)


def elementary(windows: Floats, *, step: int = 1) -> Bools:
    """Elementary `volume_anomalies` as shipped: 14 days, 3 deviations, the day among its own past.

    elementary-data/dbt-data-reliability, `get_anomaly_scores_query.sql`: mean and sample deviation
    over `rows between ... preceding and current row`, score 0 where the deviation is 0; sensitivity
    3 and training period 14 days by its documentation. With `seasonality: day_of_week`
    (`step=7`) the window is 14 of the same weekday (`get_days_back.sql`).
    """
    training = windows[:, ::-step][:, :14]
    return _scored(windows[:, -1], training, 3)


def elementary_without_today(windows: Floats, *, step: int = 1) -> Bools:
    """The same rule on the 14 values before the day, which Elementary does not offer."""
    return _scored(windows[:, -1], windows[:, ::-step][:, 1:15], 3)


def weekly_elementary(windows: Floats) -> Bools:
    """Elementary with `seasonality: day_of_week`; see `elementary`."""
    return elementary(windows, step=WEEK)


def _scored(today: Floats, training: Floats, limit: float) -> Bools:
    deviation = training.std(axis=1, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (deviation > 0) & (np.abs(today - training.mean(axis=1)) / deviation > limit)


def self_included_bound(days: int) -> float:
    """Largest score a value can reach among `days` of which it is one: (n - 1) / sqrt(n).

    Grubbs 1969, "Procedures for detecting outlying observations in samples".
    """
    return float((days - 1) / np.sqrt(days))


def dbt_expectations(windows: Floats) -> Bools:
    """dbt-expectations `expect_column_values_to_be_within_n_moving_stdevs`, its defaults.

    calogica/dbt-expectations, the macro of that name: difference of logarithms from one day to the
    next (0 counts as logarithm 0), against mean and deviation of the 7 differences before, 3 sigma.
    """
    steps = np.diff(np.log(np.where(windows > 0, windows, 1)), axis=1)
    return _scored(steps[:, -1], steps[:, -8:-1], 3)


def re_data(windows: Floats) -> Bools:
    """re_data `modified_z_score`, threshold 3.5, look-back of 30 days that end with the day.

    re-data/dbt-re-data, `re_data_z_score.sql` and `re_data_last_stats.sql`: 0.6745 (x - median) /
    MAD, and (x - median) / (1.253314 mean absolute deviation) where the MAD is 0. The model as
    released calls the first quartile the median; here the median is the median.
    """
    days = windows[:, -30:]
    middle = np.median(days, axis=1)
    distance = np.abs(days - middle[:, None])
    mad, mean = np.median(distance, axis=1), distance.mean(axis=1)
    off = days[:, -1] - middle
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.where(mad == 0, off / (1.253314 * (mean + 1e-10)), 0.6745 * off / (mad + 1e-10))
        return np.abs(score) > 3.5


VOLUME_DAYS = 14 * WEEK + 1
VOLUME_RULES: dict[str, Callable[[Floats], Bools]] = {
    "elementary, default": elementary,
    "elementary, current day excluded": elementary_without_today,
    "elementary, day_of_week": weekly_elementary,
    "dbt-expectations, moving stdevs": dbt_expectations,
    "re_data, modified z": re_data,
}


def psi(reference: ArrayLike, current: ArrayLike) -> float:
    """Population stability index of two lists of counts, with half a count added to each.

    Siddiqi 2006, "Credit Risk Scorecards": up to 0.1 nothing, above 0.1 a change, above 0.25 a
    large one. The half counts only keep an empty class finite.
    """
    p, q = (np.asarray(counts, float) + 0.5 for counts in (reference, current))
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def evidently_number(reference: ArrayLike, current: ArrayLike) -> bool:
    """Evidently's default for a numeric column: is it drifted?

    evidentlyai/evidently, `calculations/stattests/registry.py`: Kolmogorov-Smirnov at p < 0.05 for
    1,000 reference rows or fewer, else the Wasserstein distance over the reference's deviation
    >= 0.1.
    """
    before, now = np.asarray(reference, float), np.asarray(current, float)
    if len(before) <= 1000:
        return bool(stats.ks_2samp(before, now).pvalue < 0.05)
    norm = max(float(before.std()), 0.001)
    return bool(stats.wasserstein_distance(before, now) / norm >= 0.1)


def evidently_category(reference: ArrayLike, current: ArrayLike) -> bool:
    """Evidently's default for a column of categories, given as counts: is it drifted?

    The same registry: chi-squared at p < 0.05 for 1,000 reference rows or fewer (current counts
    against the reference's shares), else the Jensen-Shannon distance >= 0.1.
    """
    before, now = np.asarray(reference, float), np.asarray(current, float)
    if before.sum() <= 1000:
        seen = (before > 0) | (now > 0)
        expected = before[seen] * now.sum() / before.sum()
        if (expected == 0).any():
            return True
        return bool(stats.chisquare(now[seen], expected).pvalue < 0.05)
    return bool(jensenshannon(before / before.sum(), now / now.sum()) >= 0.1)
