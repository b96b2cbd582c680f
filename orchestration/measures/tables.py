"""Tests and measures of association on tables of counts.

Distances between two distributions are in `orchestration.measures.distances`, what a transition
matrix says of movement is in `orchestration.measures.mobility`. Distributions come from scipy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special, stats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

# Below it the chi-squared approximation of a cell is not trusted (Cochran 1954).
FEWEST_EXPECTED = 5.0


@dataclass(frozen=True)
class Significance:
    """Statistic, degrees of freedom and p-value of a chi-squared test; p is 1 without freedom."""

    statistic: float
    df: int
    p_value: float


def chi_squared_p(statistic: float, df: int) -> float:
    """Upper tail of the chi-squared distribution."""
    return float(special.chdtrc(df, statistic)) if df > 0 else 1.0


def independence(table: ArrayLike, *, likelihood_ratio: bool = False) -> Significance:
    """Test rows and columns for independence, without rows and columns that are empty.

    Args:
        table: counts, shape (rows, columns).
        likelihood_ratio: G instead of Pearson's statistic.
    """
    counts = _without_empty(table)
    if min(counts.shape, default=0) < 2:
        return Significance(0.0, 0, 1.0)
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    if likelihood_ratio:
        statistic = 2 * float(special.xlogy(counts, counts / expected).sum())
    else:
        statistic = float(((counts - expected) ** 2 / expected).sum())
    df = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    return Significance(max(statistic, 0.0), df, chi_squared_p(statistic, df))


def goodness_of_fit(
    reference: ArrayLike, current: ArrayLike, *, likelihood_ratio: bool = False
) -> Significance:
    """Test whether counts follow the shares of a reference that is taken as known.

    Args:
        reference: counts, shape (k,), all above 0.
        current: counts, shape (k,).
        likelihood_ratio: G instead of Pearson's statistic.
    """
    old, new = np.asarray(reference, dtype=float), np.asarray(current, dtype=float)
    found = stats.power_divergence(
        new, old * new.sum() / old.sum(), lambda_="log-likelihood" if likelihood_ratio else None
    )
    return Significance(float(found.statistic), len(new) - 1, float(found.pvalue))


def homogeneity(
    first: ArrayLike, second: ArrayLike, *, likelihood_ratio: bool = False, pool_below: float = 0.0
) -> Significance:
    """Test whether two transition matrices have the same rows, each start state on its own.

    The likelihood ratio is that of Kullback, Kupperman and Ku (1962); Pearson's statistic is its
    companion. Start states without customers in one of the matrices are left out.

    Args:
        first: counts, shape (states, states), rows are start states.
        second: counts of the same shape.
        likelihood_ratio: the ratio instead of Pearson's statistic.
        pool_below: cells of a start state whose expected count is lower are added up.

    Returns:
        The test, with df = sum over start states of the columns left after pooling less one;
        without pooling every state counts as a column, as published.
    """
    statistic, df = 0.0, 0
    for one, other in zip(np.asarray(first, float), np.asarray(second, float), strict=True):
        if one.sum() == 0 or other.sum() == 0:
            continue
        pair = pooled(np.vstack([one, other]), pool_below)
        statistic += independence(pair, likelihood_ratio=likelihood_ratio).statistic
        df += pair.shape[1] - 1
    return Significance(statistic, df, chi_squared_p(statistic, df))


def pooled(pair: NDArray[Any], pool_below: float) -> NDArray[Any]:
    """Add up the columns of a table in which any expected count is too low.

    Args:
        pair: counts, shape (2, k).
        pool_below: lowest expected count that is left alone.

    Returns:
        A table of at most k columns and the same sum. If even the pool is too small, the smallest
        column left joins it.
    """
    total = pair.sum()
    if total == 0 or pool_below <= 0:
        return pair
    columns = pair.sum(axis=0)
    expected = columns * pair.sum(axis=1).min() / total
    order = np.argsort(columns, kind="stable")
    low = int((expected < pool_below).sum())
    while 0 < low < len(order) and expected[order[:low]].sum() < pool_below:
        low += 1
    if low == 0:
        return pair
    pool = pair[:, order[:low]].sum(axis=1, keepdims=True)
    return np.hstack([pair[:, order[low:]], pool])


def stuart_maxwell(table: ArrayLike) -> Significance:
    """Test a square table for equal margins (Stuart 1955, Maxwell 1970).

    Only information: customers who age together move the margins of a healthy shop.

    Args:
        table: counts, shape (k, k): before by after.
    """
    counts = np.asarray(table, dtype=float)
    difference = (counts.sum(axis=1) - counts.sum(axis=0))[:-1]
    covariance = np.diag(counts.sum(axis=1) + counts.sum(axis=0)) - counts - counts.T
    statistic = float(difference @ np.linalg.solve(covariance[:-1, :-1], difference))
    df = len(difference)
    return Significance(statistic, df, chi_squared_p(statistic, df))


def cramers_v(table: ArrayLike, *, corrected: bool = True) -> float:
    """Strength of association between 0 and 1.

    Args:
        table: counts, shape (rows, columns).
        corrected: take away what chance alone gives (Bergsma 2013).

    Returns:
        Cramer's V; 0 for a table with a single row or column.
    """
    counts = _without_empty(table)
    if min(counts.shape, default=0) < 2:
        return 0.0
    total = counts.sum()
    rows, columns = counts.shape
    phi = independence(counts).statistic / total
    if not corrected:
        return float(np.sqrt(phi / (min(rows, columns) - 1)))
    if total <= 1:
        return 0.0
    phi = max(0.0, phi - (rows - 1) * (columns - 1) / (total - 1))
    rows_left = rows - (rows - 1) ** 2 / (total - 1)
    columns_left = columns - (columns - 1) ** 2 / (total - 1)
    spread = min(rows_left, columns_left) - 1
    return float(np.sqrt(phi / spread)) if spread > 0 else 0.0


def adjusted_rand_index(table: ArrayLike) -> float:
    """Agreement of two partitions, 0 by chance and 1 if they are equal (Hubert and Arabie 1985).

    Args:
        table: customers by label of the one and of the other, shape (labels, labels).
    """
    counts = np.asarray(table, dtype=float)

    def pairs(numbers: NDArray[Any]) -> float:
        return float((numbers * (numbers - 1) / 2).sum())

    both, ones, others = pairs(counts), pairs(counts.sum(axis=1)), pairs(counts.sum(axis=0))
    everything = pairs(counts.sum(keepdims=True))
    if everything == 0:
        return 1.0
    by_chance = ones * others / everything
    largest = (ones + others) / 2
    return 1.0 if largest == by_chance else (both - by_chance) / (largest - by_chance)


def two_proportions(
    first_hits: float, first_count: float, second_hits: float, second_count: float
) -> float:
    """Two-sided p-value of the pooled z test that two shares are equal; 1 if neither varies."""
    share = (first_hits + second_hits) / (first_count + second_count)
    variance = share * (1 - share) * (1 / first_count + 1 / second_count)
    if variance <= 0:
        return 1.0
    z = (first_hits / first_count - second_hits / second_count) / np.sqrt(variance)
    return float(2 * special.ndtr(-abs(z)))


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that those below q hold at most a share q of false alarms (1995).

    Args:
        p_values: numbers within 0 and 1, in any order.

    Returns:
        The adjusted values in the order given.
    """
    if not p_values:
        return []
    return [float(p) for p in stats.false_discovery_control(p_values)]


def _without_empty(table: ArrayLike) -> NDArray[Any]:
    counts = np.asarray(table, dtype=float)
    counts = counts[counts.sum(axis=1) > 0]
    return counts[:, counts.sum(axis=0) > 0]
