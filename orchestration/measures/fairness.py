"""Whether an audience passes over groups of people, by itself or through what stands in for them.

Everything comes from counts. What may be counted at all, and which attributes no rule may name, is
for the rules to say. Tests of tables are in `orchestration.measures.tables`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import product
from math import inf, nan
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import stats

from orchestration.measures.tables import Significance, cramers_v, independence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

# Share of the highest rate below which a rate is taken as evidence of adverse impact: the
# four-fifths rule of the Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4 D.
FOUR_FIFTHS = Decimal("0.8")

Verdict = Literal["reference", "fair", "adverse", "insufficient"]
Cell = tuple[int, int]
Corners = tuple[Cell, Cell, Cell, Cell]


@dataclass(frozen=True)
class Group:
    """People of a group, and how many of them an audience selects.

    Raises:
        ValueError: the selected are not among the people.
    """

    name: str
    selected: int
    total: int

    def __post_init__(self) -> None:
        if not 0 <= self.selected <= self.total:
            raise ValueError(f"{self.selected} selected of {self.total}")

    @property
    def rate(self) -> float:
        """Share that is selected; NaN for a group without people."""
        return self.selected / self.total if self.total else nan


@dataclass(frozen=True)
class SelectionRatio:
    """How often a group is selected beside the group that is selected most.

    Attributes:
        group: the counts.
        ratio: rate over the highest rate; 1 if nobody is selected, NaN if it cannot be told.
        p_value: of Fisher's exact test, one-sided, that the group is selected no less than the
            reference; NaN if it cannot be told. A ratio of few people is often chance.
        verdict: reference for the group with the highest rate, adverse below four fifths of it,
            insufficient for a group that is too small to be judged.
    """

    group: Group
    ratio: float
    p_value: float
    verdict: Verdict


@dataclass(frozen=True)
class Proxy:
    """How well segments foretell an attribute.

    Attributes:
        cramers_v: association between 0 and 1, less what chance gives (Bergsma 2013).
        accuracy: share guessed right by naming the most frequent value of each segment.
        base_rate: share guessed right by naming the most frequent value of all.
        reduction: of the errors that the segments spare, lambda of Goodman and Kruskal (1954);
            it may be 0 where there is association, so both are looked at.
        test: that segments and attribute are independent.
        is_sufficient: there are enough people, and two values to tell apart.
    """

    cramers_v: float
    accuracy: float
    base_rate: float
    reduction: float
    test: Significance
    is_sufficient: bool


@dataclass(frozen=True)
class SharedTable:
    """A table of counts with its margins, None in place of what must not be shown.

    Attributes:
        cells: rows of the table.
        row_totals: of each row.
        column_totals: of each column.
        total: of everything.
    """

    cells: tuple[tuple[int | None, ...], ...]
    row_totals: tuple[int | None, ...]
    column_totals: tuple[int | None, ...]
    total: int | None


def selection_ratios(
    groups: Iterable[Group], *, fewest: int, limit: Decimal = FOUR_FIFTHS
) -> list[SelectionRatio]:
    """Compare how often groups are selected with the group that is selected most.

    Groups below the minimum are neither judged nor the measure of others: a group of three of whom
    two are selected would make everybody else look passed over.

    Args:
        groups: people and selected of each group; everybody belongs to one group.
        fewest: people without which a group is insufficient.
        limit: ratio below which a group is selected adversely.

    Returns:
        A ratio for each group, in the order given. Of equal rates the larger group is the
        reference, then the first.
    """
    given = list(groups)
    judged = [one for one in given if one.total >= max(fewest, 1)]
    if not judged:
        return [SelectionRatio(one, nan, nan, "insufficient") for one in given]
    reference = max(judged, key=lambda one: (Fraction(one.selected, one.total), one.total))
    return [
        _beside(one, reference, limit)
        if one.total >= max(fewest, 1)
        else SelectionRatio(one, nan, nan, "insufficient")
        for one in given
    ]


def proxy(table: ArrayLike, *, fewest: int) -> Proxy:
    """Measure whether segments stand in for an attribute.

    Args:
        table: people by segment and value of the attribute, shape (segments, values).
        fewest: people without which nothing is said.
    """
    counts = np.asarray(table, dtype=float)
    total = float(counts.sum())
    values = int((counts.sum(axis=0) > 0).sum())
    if total == 0:
        return Proxy(0.0, nan, nan, 0.0, Significance(0.0, 0, 1.0), is_sufficient=False)
    accuracy = float(counts.max(axis=1).sum()) / total
    base_rate = float(counts.sum(axis=0).max()) / total
    return Proxy(
        cramers_v(counts),
        accuracy,
        base_rate,
        (accuracy - base_rate) / (1 - base_rate) if values > 1 else 0.0,
        independence(counts),
        is_sufficient=total >= fewest and values > 1,
    )


def shared_table(table: Sequence[Sequence[int]], k: int) -> SharedTable:
    """Hide the counts of a table that must not be shown, and those that would give them back.

    Counts of 1 to k - 1 people are hidden, margins too; nobody stands behind a 0. Each of them gets
    a rectangle of hidden counts around which people can be moved without changing anything that is
    shown (Gusfield 1988), and by so many that whoever solves for it is left with a range of at
    least k (sliding protection, Fischetti and Salazar 2001). Of the rectangles that do, the one is
    taken that hides the fewest people more.

    Args:
        table: people, shape (rows, columns), at least one of each.
        k: smallest number of people that is shown.

    Returns:
        The table with margins. What a reader knows from elsewhere is not reckoned with.
    """
    whole = _with_margins(table)
    hidden = _hidden(whole, k)

    def shown(row: int, column: int) -> int | None:
        return None if (row, column) in hidden else int(whole[row, column])

    rows, columns = whole.shape[0] - 1, whole.shape[1] - 1
    return SharedTable(
        tuple(tuple(shown(row, column) for column in range(columns)) for row in range(rows)),
        tuple(shown(row, columns) for row in range(rows)),
        tuple(shown(rows, column) for column in range(columns)),
        shown(rows, columns),
    )


def hidden_selections(groups: Sequence[Group], k: int) -> set[str]:
    """Name the groups whose selected must not be shown, where the sizes of groups are known.

    A count of 1 to k - 1 people, selected or not, is hidden, and with it those of the next larger
    groups until whoever knows all sizes and the number of selected over all of the hidden groups
    is left, for each of the small counts, with a range of at least k.

    Args:
        groups: people and selected of each group; everybody belongs to one group.
        k: smallest number of people that is shown.
    """
    small = [one for one in groups if 0 < one.selected < k or 0 < one.total - one.selected < k]
    if not small:
        return set()
    hidden = list(small)
    others = sorted(
        (one for one in groups if one not in small), key=lambda one: (one.total, one.name)
    )
    while others and any(_range_of(one, hidden) < k for one in small):
        hidden.append(others.pop(0))
    return {one.name for one in hidden}


def _range_of(group: Group, hidden: Sequence[Group]) -> int:
    """How many values the selected of a group may have but one, given those of all the hidden."""
    selected = sum(one.selected for one in hidden)
    elsewhere = sum(one.total for one in hidden) - group.total
    return min(group.total, selected) - max(0, selected - elsewhere)


def _beside(one: Group, reference: Group, limit: Decimal) -> SelectionRatio:
    if one is reference:
        return SelectionRatio(one, 1.0, nan, "reference")
    highest = Fraction(reference.selected, reference.total)
    ratio = Fraction(one.selected, one.total) / highest if highest else Fraction(1)
    p_value = stats.hypergeom.cdf(
        one.selected,
        one.total + reference.total,
        one.selected + reference.selected,
        one.total,
    )
    # As fractions, since four fifths on the dot is not below four fifths.
    verdict: Verdict = "adverse" if ratio < Fraction(limit) else "fair"
    return SelectionRatio(one, float(ratio), min(float(p_value), 1.0), verdict)


def _with_margins(table: Sequence[Sequence[int]]) -> NDArray[Any]:
    counts = np.asarray(table)
    if counts.ndim != 2 or counts.size == 0 or (counts < 0).any():
        raise ValueError("a table to be shared has rows, columns and no negative counts")
    wide = np.hstack([counts, counts.sum(axis=1, keepdims=True)])
    return np.vstack([wide, wide.sum(axis=0, keepdims=True)]).astype(int)


def _hidden(whole: NDArray[Any], k: int) -> set[Cell]:
    """Cells to hide of a table with margins, smallest counts first so that the order is total."""
    rows, columns = whole.shape
    small = sorted(
        (int(whole[row, column]), (row, column))
        for row, column in product(range(rows), range(columns))
        if 0 < whole[row, column] < k
    )
    hidden = {place for _, place in small}
    for _, place in small:
        # A rectangle over the grand total has room without end, so there is always one.
        _, corners = min(
            (_cost(cells, whole, hidden), cells)
            for cells in _rectangles(place, rows, columns)
            if _room(cells, whole) >= k
        )
        hidden.update(corners)
    return hidden


def _rectangles(place: Cell, rows: int, columns: int) -> Iterator[Corners]:
    """Rectangles with their first corner at a cell, corners in turn."""
    row, column = place
    for other_row, other_column in product(range(rows), range(columns)):
        if other_row != row and other_column != column:
            yield place, (row, other_column), (other_row, other_column), (other_row, column)


def _cost(corners: Corners, whole: NDArray[Any], hidden: set[Cell]) -> tuple[int, int]:
    """People and cells that a rectangle would hide beyond those that are hidden."""
    more = [int(whole[cell]) for cell in corners if cell not in hidden]
    return sum(more), len(more)


def _room(corners: Corners, whole: NDArray[Any]) -> float:
    """How far the first corner can rise and fall while all sums hold and no count is negative.

    Corners of a rectangle rise and fall in turn, but a margin moves with its row or column.
    """
    last_row, last_column = whole.shape[0] - 1, whole.shape[1] - 1
    along: list[int] = []
    against: list[int] = []
    for turn, (row, column) in enumerate(corners):
        is_along = (turn + (row == last_row) + (column == last_column)) % 2 == 0
        (along if is_along else against).append(int(whole[row, column]))
    return min(along, default=inf) + min(against, default=inf)
