"""Variance between and within groups, from the count, mean and variance of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def eta_squared(counts: ArrayLike, means: ArrayLike, variances: ArrayLike) -> tuple[float, float]:
    """Share of the variance that lies between groups, and the F ratio of an analysis of variance.

    Args:
        counts: members of each group, shape (groups,).
        means: mean of each group.
        variances: population variance of each group.

    Returns:
        Eta squared, SS between over SS total, and F; NaN where nothing varies.
    """
    n, mean, variance = (np.asarray(part, dtype=float) for part in (counts, means, variances))
    between = float((n * (mean - (n * mean).sum() / n.sum()) ** 2).sum())
    within = float((n * variance).sum())
    if not 0 < between + within < np.inf:
        return float("nan"), float("nan")
    freedom = n.sum() - len(n)
    f = (between / (len(n) - 1)) / (within / freedom) if within > 0 and len(n) > 1 else np.nan
    return between / (between + within), float(f)


def total_variance(counts: ArrayLike, means: ArrayLike, variances: ArrayLike) -> float:
    """Population variance of all groups together, from the same numbers."""
    n, mean, variance = (np.asarray(part, dtype=float) for part in (counts, means, variances))
    middle = (n * mean).sum() / n.sum()
    return float((n * (variance + (mean - middle) ** 2)).sum() / n.sum())
