"""How far two distributions lie apart, from counts per bin.

All functions take counts of the same bins in the same order. Limits that scale with the number of
observations come from the chi-squared distribution of scipy; tests on tables of counts are in
`orchestration.measures.tables`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Added to every bin, so that an empty one gives a large index and not an infinite one.
HALF_COUNT = 0.5


def psi(reference: ArrayLike, current: ArrayLike, *, added: float = HALF_COUNT) -> float:
    """Population stability index: sum of (q - p) ln(q / p) with smoothed shares p and q.

    Args:
        reference: counts, shape (k,).
        current: counts, shape (k,).
        added: count that is added to every bin before shares are taken.

    Returns:
        The index, 0 for equal shares; infinite if a bin is empty on one side and nothing is added.
    """
    p, q = (_shares(np.asarray(counts, float) + added) for counts in (reference, current))
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p == q, 0.0, (q - p) * np.log(q / p))
    return float(terms.sum())


@lru_cache(maxsize=4096)
def _chi_squared_limit(alpha: float, df: int) -> float:
    return float(special.chdtri(df, alpha))


def psi_limit(bins: int, reference_count: float, current_count: float, alpha: float) -> float:
    """Index that equal distributions exceed with probability alpha (Yurdakul 2018).

    Args:
        bins: number of bins k.
        reference_count: observations N of the reference.
        current_count: observations M of the present.
        alpha: probability of a false alarm.

    Returns:
        The (1 - alpha) quantile of chi-squared with k - 1 degrees of freedom, times 1/N + 1/M.
    """
    return _chi_squared_limit(alpha, bins - 1) * (1 / reference_count + 1 / current_count)


def psi_without_drift(bins: int, reference_count: float, current_count: float) -> float:
    """Index to expect of equal distributions: (k - 1)(1/N + 1/M), all of it noise."""
    return (bins - 1) * (1 / reference_count + 1 / current_count)


def psi_p_value(index: float, bins: int, reference_count: float, current_count: float) -> float:
    """Probability that equal distributions give this index or more."""
    if bins < 2:
        return 1.0
    scale = 1 / reference_count + 1 / current_count
    return float(special.chdtrc(bins - 1, max(index, 0.0) / scale))


def total_variation(reference: ArrayLike, current: ArrayLike) -> float:
    """Half the sum of absolute differences of shares: the share that would have to move."""
    return float(0.5 * np.abs(_shares(reference) - _shares(current)).sum())


def largest_difference(reference: ArrayLike, current: ArrayLike) -> float:
    """Greatest absolute difference of a share, which keeps its power with many categories."""
    return float(np.abs(_shares(reference) - _shares(current)).max())


def hellinger(reference: ArrayLike, current: ArrayLike) -> float:
    """Hellinger distance between 0 and 1."""
    roots = np.sqrt(_shares(reference)) - np.sqrt(_shares(current))
    return float(np.sqrt(0.5 * (roots**2).sum()))


def jensen_shannon(reference: ArrayLike, current: ArrayLike, *, base: float | None = None) -> float:
    """Jensen-Shannon distance, the root of the divergence (Endres and Schindelin 2003).

    Args:
        reference: counts or shares, shape (k,).
        current: counts or shares, shape (k,).
        base: of the logarithm; e if not given, 2 makes 1 the greatest distance.
    """
    p, q = _shares(reference), _shares(current)
    middle = (p + q) / 2
    divergence = 0.5 * float(special.rel_entr(p, middle).sum() + special.rel_entr(q, middle).sum())
    return float(np.sqrt(max(divergence, 0.0) / (np.log(base) if base else 1.0)))


def kolmogorov_smirnov(reference: ArrayLike, current: ArrayLike) -> tuple[float, float]:
    """Compare two distributions on ordered bins by their greatest cumulative difference.

    Bins hide differences within them, so the p-value errs on the side of no difference.

    Args:
        reference: counts, shape (k,), bins in ascending order.
        current: counts, shape (k,).

    Returns:
        The statistic D and its asymptotic two-sided p-value.
    """
    old, new = np.asarray(reference, float), np.asarray(current, float)
    distance = float(np.abs(np.cumsum(_shares(old)) - np.cumsum(_shares(new))).max())
    n, m = old.sum(), new.sum()
    return distance, float(special.kolmogorov(np.sqrt(n * m / (n + m)) * distance))


def _shares(counts: ArrayLike) -> NDArray[Any]:
    numbers = np.asarray(counts, dtype=float)
    return numbers / numbers.sum()
