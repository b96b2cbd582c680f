"""Whom an audience passes over, what stands in for whom, and what of it may be shown."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from orchestration.measures.fairness import (
    Group,
    SharedTable,
    proxy,
    selection_ratios,
    shared_table,
)
from orchestration.measures.tables import cramers_v

# Goodman and Kruskal 1954, Journal of the American Statistical Association 49:732:
# 6,800 men of Baden by colour of eyes (blue, grey or green, brown) and of hair (fair, brown, black,
# red). They give 0.1924 for hair from eyes and 0.2241 for eyes from hair.
BADEN = [[1768, 807, 189, 47], [946, 1387, 746, 53], [115, 438, 288, 16]]

GROUPS = st.lists(
    st.integers(1, 200).flatmap(
        lambda total: st.builds(Group, st.just("g"), st.integers(0, total), st.just(total))
    ),
    min_size=1,
    max_size=6,
)
TABLES = st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(
    lambda size: st.lists(
        st.lists(
            st.one_of(st.integers(0, 6), st.integers(0, 60)), min_size=size[1], max_size=size[1]
        ),
        min_size=size[0],
        max_size=size[0],
    )
)


# Selection


def test_four_fifths_is_judged_as_in_the_published_example():
    """Questions and answers on the Uniform Guidelines, EEOC and others 1979.

    Rates of 60, 45, 48 and 51 per cent: 75 per cent is adverse, 80 and 85 per cent are not.
    """
    rates = {"white": 60, "american indian": 45, "hispanic": 48, "black": 51}
    found = selection_ratios(
        [Group(name, selected, 100) for name, selected in rates.items()], fewest=30
    )
    assert [one.ratio for one in found] == pytest.approx([1, 0.75, 0.8, 0.85])
    assert [one.verdict for one in found] == ["reference", "adverse", "fair", "fair"]


def test_the_exact_test_stands_beside_the_ratio():
    # Half of the rate in both cases, once of 20 people and once of 2000.
    few = selection_ratios([Group("a", 4, 10), Group("b", 2, 10)], fewest=10)[1]
    many = selection_ratios([Group("a", 400, 1000), Group("b", 200, 1000)], fewest=10)[1]
    assert (few.verdict, many.verdict) == ("adverse", "adverse")
    assert few.p_value == pytest.approx(stats.fisher_exact([[2, 8], [4, 6]], "less").pvalue)
    assert few.p_value > 0.2
    assert many.p_value < 1e-20


def test_a_small_group_is_neither_judged_nor_the_measure():
    found = selection_ratios([Group("a", 30, 100), Group("b", 3, 3), Group("c", 0, 29)], fewest=30)
    assert [one.verdict for one in found] == ["reference", "insufficient", "insufficient"]
    assert all(isnan(one.ratio) and isnan(one.p_value) for one in found[1:])
    small = selection_ratios([Group("a", 3, 9), Group("b", 0, 0)], fewest=0)
    assert [one.verdict for one in small] == ["reference", "insufficient"]
    nobody = selection_ratios([Group("a", 3, 9)], fewest=30)
    assert [one.verdict for one in nobody] == ["insufficient"]
    assert selection_ratios([], fewest=30) == []


def test_an_audience_of_nobody_passes_over_nobody():
    found = selection_ratios([Group("a", 0, 100), Group("b", 0, 200)], fewest=30)
    assert [one.verdict for one in found] == ["fair", "reference"]
    assert [one.ratio for one in found] == [1, 1]


def test_the_limit_is_a_rule():
    groups = [Group("a", 50, 100), Group("b", 45, 100)]
    assert selection_ratios(groups, fewest=1)[1].verdict == "fair"
    assert selection_ratios(groups, fewest=1, limit=Decimal("0.95"))[1].verdict == "adverse"


@settings(deadline=None)
@given(GROUPS, st.integers(1, 50))
def test_selection_is_measured_against_the_highest_rate(groups, fewest):
    found = selection_ratios(groups, fewest=fewest)
    judged = [one for one in found if one.verdict != "insufficient"]
    assert [one.group for one in found] == groups
    assert [one.group.total >= fewest for one in found] == [one in judged for one in found]
    assert sum(one.verdict == "reference" for one in found) == min(1, len(judged))
    highest = max((one.group.rate for one in judged), default=0)
    for one in judged:
        assert 0 <= one.ratio <= 1
        assert one.ratio * highest == pytest.approx(one.group.rate)
        if one.verdict != "reference":
            reference = next(other for other in judged if other.verdict == "reference").group
            table = [
                [one.group.selected, one.group.total - one.group.selected],
                [reference.selected, reference.total - reference.selected],
            ]
            peer = stats.fisher_exact(table, "less").pvalue
            assert one.p_value == pytest.approx(peer, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("counts", [(4, 3), (-1, 3), (1, -3)])
def test_impossible_selections_are_refused(counts):
    with pytest.raises(ValueError, match="selected of"):
        Group("a", *counts)


# Proxies


def test_reduction_of_errors_is_the_published_one():
    """Goodman and Kruskal 1954, both directions of the table above, four decimals."""
    hair, eyes = proxy(BADEN, fewest=100), proxy(np.transpose(BADEN), fewest=100)
    assert (hair.reduction, eyes.reduction) == pytest.approx((0.1924, 0.2241), abs=5e-5)
    assert (hair.accuracy, hair.base_rate) == pytest.approx((3593 / 6800, 2829 / 6800))
    assert hair.cramers_v == pytest.approx(eyes.cramers_v) == cramers_v(BADEN)
    assert hair.is_sufficient
    assert not proxy(BADEN, fewest=6801).is_sufficient


def test_a_segment_for_each_value_gives_the_attribute_away():
    found = proxy([[50, 0], [0, 70]], fewest=30)
    assert (found.accuracy, found.reduction) == (1, 1)
    assert found.cramers_v == pytest.approx(1, abs=0.01)
    assert found.test.p_value < 1e-20


def test_association_may_spare_no_error():
    # Women are the majority everywhere, twice as clearly in one segment.
    found = proxy([[600, 400], [900, 100]], fewest=30)
    assert found.reduction == 0
    assert found.cramers_v > 0.3


@pytest.mark.parametrize("table", [[[0, 0], [0, 0]], [[9, 0], [8, 0]], [[9], [8]]])
def test_an_attribute_of_one_value_cannot_be_foretold(table):
    found = proxy(table, fewest=0)
    assert (found.is_sufficient, found.reduction, found.cramers_v) == (False, 0, 0)


@settings(deadline=None)
@given(TABLES)
def test_segments_never_foretell_less_than_nothing(table):
    found = proxy(table, fewest=1)
    assert 0 <= found.reduction <= 1
    assert 0 <= found.cramers_v <= 1 + 1e-12
    if np.sum(table):
        assert found.base_rate <= found.accuracy <= 1


# Shared tables


def flat(shared: SharedTable) -> list[list[int | None]]:
    """The table with its margins as last column and last row."""
    rows = zip(shared.cells, shared.row_totals, strict=True)
    return [
        *([*cells, total] for cells, total in rows),
        [*shared.column_totals, shared.total],
    ]


def with_margins(table: list[list[int]]) -> np.ndarray:
    wide = np.hstack([table, np.sum(table, axis=1, keepdims=True)])
    return np.vstack([wide, wide.sum(axis=0, keepdims=True)])


def ranges(shown: list[list[int | None]]) -> dict[tuple[int, int], tuple[float, float]]:
    """What a reader can work out of every hidden count, by linear programming."""
    rows, columns = len(shown), len(shown[0])
    places = list(product(range(rows), range(columns)))
    equations = np.zeros((rows + columns, len(places)))
    for number, (row, column) in enumerate(places):
        equations[row, number] = -1 if column == columns - 1 else 1
        equations[rows + column, number] = -1 if row == rows - 1 else 1
    values = [shown[row][column] for row, column in places]
    bounds = [(0, None) if value is None else (value, value) for value in values]
    found = {}
    for number, (place, value) in enumerate(zip(places, values, strict=True)):
        if value is None:
            goal = np.eye(len(places))[number]
            low, high = (
                optimize.linprog(
                    sign * goal, A_eq=equations, b_eq=np.zeros(len(equations)), bounds=bounds
                )
                for sign in (1, -1)
            )
            found[place] = (low.fun, np.inf if high.status == 3 else -high.fun)
    return found


@settings(max_examples=60, deadline=None)
@given(TABLES, st.integers(1, 8))
def test_no_small_count_can_be_worked_out(table, k):
    shown, whole = flat(shared_table(table, k)), with_margins(table)
    for place, count in np.ndenumerate(whole):
        row, column = place
        assert shown[row][column] in {None, count}
        if 0 < count < k:
            assert shown[row][column] is None
    known = ranges(shown)
    for place, (low, high) in known.items():
        assert low - 1e-6 <= whole[place] <= high + 1e-6
        if 0 < whole[place] < k:
            assert high - low >= k - 1e-6


def test_hiding_small_counts_alone_would_give_them_back():
    table = [[20, 3, 10], [15, 12, 8], [30, 20, 0]]
    naive = [[None if 0 < n < 5 else int(n) for n in row] for row in with_margins(table)]
    assert ranges(naive) == {(0, 1): (3, 3)}
    shared = shared_table(table, 5)
    # The rectangle over 3, 12, 8 and 10 hides least: thirty people against thirty-three and more.
    assert shared.cells == ((20, None, None), (15, None, None), (30, 20, 0))
    assert shared.row_totals == (33, 35, 50)
    assert shared.column_totals == (65, 35, 18)
    assert shared.total == 118


@pytest.mark.parametrize("table", [[[20, 30], [40, 0]], [[0]], [[5]]])
def test_a_table_of_large_counts_is_shown_whole(table):
    assert flat(shared_table(table, 5)) == with_margins(table).tolist()


def test_two_small_counts_that_add_up_to_few_are_not_enough():
    # 1 and 2 hidden in a row of total 63 would say that three people are neither here nor there.
    shared = shared_table([[60, 1, 2], [50, 40, 30]], 5)
    assert sum(count is None for count in shared.cells[0]) == 3 or shared.row_totals[0] is None


def test_a_row_of_few_people_hides_its_total():
    shared = shared_table([[2, 1], [50, 60], [70, 80]], 5)
    assert shared.cells[0] == (None, None)
    assert shared.row_totals[0] is None


def test_a_table_of_few_people_hides_everything():
    assert flat(shared_table([[2, 1], [0, 1]], 5)) == [
        [None, None, None],
        [0, None, None],
        [None, None, None],
    ]


def test_a_single_row_hides_the_same_counts_twice():
    shared = shared_table([[20, 3, 10]], 5)
    assert shared.cells == (shared.column_totals,) == ((20, None, None),)
    assert (shared.row_totals, shared.total) == ((33,), 33)


@pytest.mark.parametrize("table", [[], [[]], [[1, -1]]])
def test_what_is_no_table_is_refused(table):
    with pytest.raises(ValueError, match="table to be shared"):
        shared_table(table, 5)
