"""Robust control of series: how far a day deviates, and whether small deviations add up.

Which days may be compared is in `orchestration.measures.daily_series`, which deviations alarm is in
`orchestration.measures.judges`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Standard deviation of a normal distribution in units of its median absolute deviation.
MAD_TO_SIGMA = 1.4826
# Variance of a median of n in units of the variance of one, times n: pi / 2.
MEDIAN_VARIANCE = 1.57
# Keeps the logarithm of an empty day finite.
HALF = 0.5
# Deviations are cut here before they are pre-whitened, or one outage would fit the model.
WINSOR = 4.0


@dataclass(frozen=True)
class Deviations:
    """Deviations of days from the same weekdays before, arrays of one shape.

    Attributes:
        z: in robust standard deviations; NaN where there is too little to compare with.
        ratio: count over its expectation, less one.
        expected: count to expect.
        points: number of days compared with.
    """

    z: NDArray[Any]
    ratio: NDArray[Any]
    expected: NDArray[Any]
    points: NDArray[Any]


def robust_z(value: float, reference: ArrayLike) -> float:
    """Deviation from the median in units of 1.4826 MAD (Iglewicz and Hoaglin 1993).

    Args:
        value: the number that is judged.
        reference: numbers it is compared with, the value itself not among them.

    Returns:
        The deviation; infinite if the reference does not vary and the value differs.
    """
    numbers = np.asarray(reference, dtype=float)
    middle = float(np.median(numbers))
    spread = MAD_TO_SIGMA * float(np.median(np.abs(numbers - middle)))
    if spread == 0:
        return 0.0 if value == middle else float(np.copysign(np.inf, value - middle))
    return (value - middle) / spread


def log_deviations(
    current: ArrayLike, reference: ArrayLike, *, fewest: int, floor: float
) -> Deviations:
    """Compare logarithms with the median of their references.

    m = median(reference); s = max(1.4826 MAD, sqrt(exp(-m) + floor^2)) sqrt(1 + 1.57 / n);
    z = (current - m) / s. The first part under the root is the Poisson noise of a count of exp(m),
    the last factor the uncertainty of the median.

    Args:
        current: logarithms, shape (days,).
        reference: logarithms to compare with, shape (days, n); NaN is left out.
        fewest: number of references without which z is NaN.
        floor: relative noise that is always granted.

    Returns:
        The deviations, each of shape (days,).
    """
    now, before = np.asarray(current, dtype=float), np.asarray(reference, dtype=float)
    points = (~np.isnan(before)).sum(axis=1)
    middle = _median(before, points)
    spread = MAD_TO_SIGMA * _median(np.abs(before - middle[:, None]), points)
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = np.sqrt(np.exp(-middle) + floor**2)
        scale = np.maximum(spread, noise) * np.sqrt(1 + MEDIAN_VARIANCE / points)
        z = np.where(points >= max(fewest, 1), (now - middle) / scale, np.nan)
        return Deviations(z, np.exp(now - middle) - 1, np.exp(middle), points)


def lagged(values: NDArray[Any], places: NDArray[Any], lag: int, times: int) -> NDArray[Any]:
    """Values lag, 2 lag, ... times lag before the places; NaN before the beginning.

    Args:
        values: shape (days,).
        places: positions, shape (n,).
        lag: distance.
        times: how many.

    Returns:
        Shape (n, times).
    """
    wanted = places[:, None] - lag * np.arange(1, times + 1)
    return np.where(wanted >= 0, values[np.maximum(wanted, 0)], np.nan)


def autocorrelation(values: NDArray[Any]) -> float:
    """Correlation of neighbours about zero, without pairs that hold NaN; within -0.95 and 0.95."""
    before, after = values[:-1], values[1:]
    both = ~(np.isnan(before) | np.isnan(after))
    power = float((before[both] ** 2).sum())
    if power == 0:
        return 0.0
    return float(np.clip((before[both] * after[both]).sum() / power, -0.95, 0.95))


def whitened(deviations: NDArray[Any], phi: float) -> NDArray[Any]:
    """Take out of each deviation what the day before foretells, and scale to unit variance.

    Args:
        deviations: shape (days,); a day without one stays without and foretells nothing.
        phi: autocorrelation of neighbours.
    """
    before = np.concatenate([[0.0], np.nan_to_num(deviations[:-1])])
    return (deviations - phi * before) / np.sqrt(1 - phi**2)


def cusum(deviations: ArrayLike, slack: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Sums of deviations beyond the slack, upwards and downwards, that never fall below 0 (Page).

    S+ = max(0, S+ + z - k), S- = max(0, S- - z - k); a day without deviation changes nothing.

    Args:
        deviations: shape (days,).
        slack: the k of the literature, half the shift to be found.

    Returns:
        Both sums, each of shape (days,).
    """
    numbers = np.asarray(deviations, dtype=float)
    is_known = ~np.isnan(numbers)
    known = np.where(is_known, numbers, 0.0)
    return _lindley(np.where(is_known, known - slack, 0.0)), _lindley(
        np.where(is_known, -known - slack, 0.0)
    )


def alarms(deviations: ArrayLike, slack: float, limit: float) -> int:
    """Count alarms of a two-sided CUSUM that begins anew after each of them."""
    numbers = np.asarray(deviations, dtype=float)
    count = 0
    while len(numbers):
        beyond = np.flatnonzero(np.maximum(*cusum(numbers, slack)) > limit)
        if len(beyond) == 0:
            break
        count += 1
        numbers = numbers[int(beyond[0]) + 1 :]
    return count


def calibrated_limit(deviations: ArrayLike, slack: float, lowest: float, allowed: int) -> float:
    """Find the lowest limit at which a replay of the series gives few enough alarms.

    Args:
        deviations: the replayed series, shape (days,).
        slack: of the CUSUM.
        lowest: limit that is never undercut.
        allowed: alarms that the replay may give.

    Returns:
        The limit, to a hundredth.
    """
    highest = float(np.maximum(*cusum(deviations, slack)).max(initial=0.0))
    if highest <= lowest or alarms(deviations, slack, lowest) <= allowed:
        return lowest
    low, high = lowest, highest
    while allowed and high - low > 0.01:
        middle = (low + high) / 2
        if alarms(deviations, slack, middle) <= allowed:
            high = middle
        else:
            low = middle
    return high


def _lindley(steps: NDArray[Any]) -> NDArray[Any]:
    """max(0, S + step) for all days at once: the sum less its lowest value so far, or 0."""
    sums = np.cumsum(steps)
    return sums - np.minimum(np.minimum.accumulate(sums), 0.0)


def _median(numbers: NDArray[Any], points: NDArray[Any]) -> NDArray[Any]:
    """Medians of rows without their NaN, which sorting puts last."""
    ordered = np.sort(numbers, axis=1)
    rows = np.arange(len(ordered))
    last = np.maximum(points - 1, 0)
    return (ordered[rows, last // 2] + ordered[rows, (last + 1) // 2]) / 2
