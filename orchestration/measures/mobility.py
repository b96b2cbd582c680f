"""What a transition matrix says of movement, in one number each, and how uncertain that is.

Whether two matrices differ is tested in `orchestration.measures.tables`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def transition_shares(counts: ArrayLike) -> NDArray[Any]:
    """Turn counts into shares of the start state.

    Args:
        counts: shape (..., k, k), rows are start states.

    Returns:
        Shares of the same shape; a start state without customers stays where it is.
    """
    numbers = np.asarray(counts, dtype=float)
    rows = numbers.sum(axis=-1, keepdims=True)
    stays = np.broadcast_to(np.eye(numbers.shape[-1]), numbers.shape)
    return np.where(rows > 0, numbers / np.where(rows > 0, rows, 1.0), stays)


def shorrocks(shares: ArrayLike) -> Any:
    """Shorrocks' trace index (k - trace P) / (k - 1), of one matrix or of a stack of them."""
    matrix = np.asarray(shares, dtype=float)
    k = matrix.shape[-1]
    return (k - np.trace(matrix, axis1=-2, axis2=-1)) / (k - 1)


def singular_mobility(shares: ArrayLike) -> Any:
    """Mean singular value of P - I (Jafry and Schuermann 2004), of one matrix or of a stack.

    A matrix in which everybody moves elsewhere with the same probability p gives p.
    """
    matrix = np.asarray(shares, dtype=float)
    k = matrix.shape[-1]
    return np.linalg.svd(matrix - np.eye(k), compute_uv=False).mean(axis=-1)


def determinant_mobility(shares: ArrayLike) -> float:
    """One less the absolute determinant (Shorrocks 1978)."""
    return float(1 - abs(np.linalg.det(np.asarray(shares, dtype=float))))


def second_eigenvalue_mobility(shares: ArrayLike) -> float:
    """One less the second greatest absolute eigenvalue."""
    return float(1 - np.sort(np.abs(np.linalg.eigvals(np.asarray(shares, dtype=float))))[-2])


def bartholomew(shares: ArrayLike, start: ArrayLike) -> tuple[float, float]:
    """Bartholomew's two indices (1973): share that leaves, and mean number of classes crossed.

    Args:
        shares: transition shares, shape (k, k), classes in order.
        start: share of each class at the start, shape (k,).

    Returns:
        Both, scaled by k / (k - 1) and 1 / (k - 1).
    """
    matrix, weights = np.asarray(shares, dtype=float), np.asarray(start, dtype=float)
    k = len(weights)
    places = np.arange(k)
    crossed = np.abs(places[:, None] - places[None, :])
    left = 1 - float(weights @ np.diag(matrix))
    return k / (k - 1) * left, float((weights[:, None] * matrix * crossed).sum()) / (k - 1)


def resampled(counts: ArrayLike, times: int, seed: int) -> NDArray[Any]:
    """Draw customers anew from each start state, with replacement.

    Args:
        counts: shape (k, k).
        times: number of draws.
        seed: of the generator, so that the same night gives the same interval.

    Returns:
        Shares of the draws, shape (times, k, k).
    """
    numbers = np.asarray(counts, dtype=float)
    generator = np.random.default_rng(seed)
    drawn = [
        generator.multinomial(int(row.sum()), share, size=times)
        for row, share in zip(numbers, transition_shares(numbers), strict=True)
    ]
    return transition_shares(np.stack(drawn, axis=1))
