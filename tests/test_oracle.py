"""Hand-computed cases for the independent scorer, and the laws that its histories must obey."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings

from tests.oracle import END, Label, Oracle, quintiles, rounded
from tests.worlds import (
    SETTINGS,
    Merge,
    Order,
    Refund,
    World,
    box,
    cuts,
    stages,
    world,
    worlds,
)

JAN_1 = date(2024, 1, 1)


def shop(*orders: Order, as_of: date = date(2024, 12, 31), **changes) -> World:
    """A world with fixed cuts and one segment per recency score, so that hands can compute it."""
    given_settings = SETTINGS | {"score_method": "fixed"} | changes.pop("settings", {})
    return replace(
        World(
            orders=list(orders),
            refunds=[],
            merges=[],
            settings=given_settings,
            as_of=as_of,
            segment_rules=[box(f"r{r}", 10 * r, r=(r, r)) for r in range(1, 6)],
            lifecycle_stages=stages(),
            fixed_score_cuts=cuts(),
        ),
        **changes,
    )


def order(name: str, customer: str, day: date, amount: str = "10", **more) -> Order:
    return Order(name, customer, day, Decimal(amount), **more)


def labelled(oracle: Oracle, customer: str, day: date) -> Label:
    label = oracle.label(customer, day)
    assert label is not None
    return label


def story(oracle: Oracle, customer: str = "ann") -> list[tuple[str, str, str, str]]:
    return [
        (one.valid_from.isoformat(), one.label.segment or "", one.label.lifecycle_stage, one.cause)
        for one in oracle.timeline(customer)
    ]


def test_one_order_ages_through_scores_and_stages():
    # Cuts 7, 30, 60, 120 days: a recency equal to a cut still has the better score.
    oracle = Oracle(shop(order("1", "ann", JAN_1)))
    assert story(oracle) == [
        ("2024-01-01", "r5", "new", "bought"),
        ("2024-01-09", "r4", "new", "aged"),
        ("2024-02-01", "r3", "active", "aged"),
        ("2024-03-02", "r2", "at_risk", "aged"),
        ("2024-04-01", "r2", "dormant", "aged"),
        ("2024-05-01", "r1", "dormant", "aged"),
        ("2024-06-30", "r1", "lost", "aged"),
    ]
    assert oracle.timeline("ann")[-1].valid_to == END


def test_cut_side_at_or_above_takes_the_equal_value_down():
    oracle = Oracle(shop(order("1", "ann", JAN_1), settings={"cut_side": "at_or_above"}))
    label = labelled(oracle, "ann", JAN_1 + timedelta(days=7))
    assert (label.r_score, label.f_score, label.m_score) == (4, 2, 2)


def test_frequency_counts_orders_and_money_is_net_of_refunds_on_their_day():
    made = shop(
        order("1", "ann", JAN_1, "100", refunded_amount=Decimal(20)),
        order("2", "ann", JAN_1, "30"),
        order("3", "ann", JAN_1, "50", status="cancelled"),
        order("4", "ann", JAN_1, "0"),
        refunds=[
            Refund("a", "1", date(2024, 1, 5), Decimal(70)),
            Refund("b", "1", date(2024, 1, 6), Decimal(11)),  # more than is left: rejected
        ],
    )
    oracle = Oracle(made)
    before, after = (
        labelled(oracle, "ann", date(2024, 1, 4)),
        labelled(oracle, "ann", date(2024, 1, 6)),
    )
    assert (before.orders, before.monetary) == (2, Decimal(110))
    assert (after.orders, after.monetary) == (2, Decimal(40))
    assert oracle.cause("ann", date(2024, 1, 5)) == "corrected"


@pytest.mark.parametrize(
    ("measure", "aggregate", "expected"),
    [
        ("net", "total", "90"),
        ("gross", "total", "110"),
        ("margin", "total", "55"),
        ("net", "average", "45"),
        ("margin", "average", "27.5"),
    ],
)
def test_monetary_measures(measure, aggregate, expected):
    made = shop(
        order("1", "ann", JAN_1, "100", refunded_amount=Decimal(20), cost=Decimal(30)),
        order("2", "ann", JAN_1, "10", cost=Decimal(5)),
        settings={"monetary_measure": measure, "monetary_aggregate": aggregate},
    )
    label = labelled(Oracle(made), "ann", JAN_1)
    assert label.monetary == Decimal(expected)


def test_zero_value_orders_count_only_when_configured():
    free = order("1", "ann", JAN_1, "0")
    assert Oracle(shop(free)).label("ann", JAN_1) is None
    label = labelled(Oracle(shop(free, settings={"count_zero_value_orders": True})), "ann", JAN_1)
    assert (label.orders, label.monetary) == (1, 0)


def test_orders_leave_the_window_after_its_last_day():
    made = shop(
        order("1", "ann", JAN_1, "100"),
        order("2", "ann", date(2024, 1, 4), "5"),
        settings={"rfm_window_days": 6},
    )
    oracle = Oracle(made)
    assert labelled(oracle, "ann", date(2024, 1, 6)).orders == 2
    assert labelled(oracle, "ann", date(2024, 1, 7)).orders == 1
    assert oracle.cause("ann", date(2024, 1, 7)) == "window_exit"
    empty = labelled(oracle, "ann", date(2024, 1, 10))
    assert (empty.orders, empty.monetary, empty.f_score) == (0, 0, 1)


def test_return_after_long_silence_is_reactivated_for_a_month():
    back = JAN_1 + timedelta(days=181)
    oracle = Oracle(shop(order("1", "ann", JAN_1), order("2", "ann", back)))
    told = {day: stage for day, _, stage, _ in story(oracle)}
    assert told[back.isoformat()] == "reactivated"
    assert told[(back + timedelta(days=31)).isoformat()] == "active"
    early = Oracle(shop(order("1", "ann", JAN_1), order("2", "ann", JAN_1 + timedelta(days=180))))
    assert labelled(early, "ann", JAN_1 + timedelta(days=180)).lifecycle_stage == "active"


def test_orders_after_the_as_of_date_do_not_exist_and_the_future_is_projected():
    made = shop(
        order("1", "ann", JAN_1), order("2", "ann", date(2024, 1, 20)), as_of=date(2024, 1, 10)
    )
    intervals = Oracle(made).timeline("ann")
    assert [one.is_projected for one in intervals] == [False, False, True, True, True, True, True]
    assert {one.label.orders for one in intervals} == {1}


def test_merge_moves_the_history_from_its_day_on():
    day = date(2024, 3, 1)
    made = shop(
        order("1", "ann", JAN_1),
        order("2", "bob", date(2024, 2, 1)),
        order("3", "ann", date(2024, 3, 15)),  # under the old id, straight to the target
        merges=[Merge("ann", "bob", day)],
    )
    oracle = Oracle(made)
    assert oracle.timeline("ann")[-1].valid_to == day
    assert oracle.label("ann", day) is None
    before, after = labelled(oracle, "bob", day - timedelta(days=1)), labelled(oracle, "bob", day)
    assert (before.first_order_date, before.orders) == (date(2024, 2, 1), 1)
    assert (after.first_order_date, after.orders) == (JAN_1, 2)
    assert oracle.cause("bob", day) == "merged"
    assert oracle.cause("bob", date(2024, 3, 15)) == "bought"


def test_chain_of_merges_and_a_merge_from_the_beginning():
    made = shop(
        order("1", "ann", JAN_1),
        merges=[Merge("ann", "bob", None), Merge("bob", "cas", date(2024, 1, 5))],
    )
    oracle = Oracle(made)
    assert oracle.timeline("ann") == []
    assert [one.valid_to for one in oracle.timeline("bob")] == [date(2024, 1, 5)]
    assert oracle.timeline("cas")[0].cause == "merged"


def test_quintiles_interpolate_between_neighbours():
    values = [Fraction(value) for value in (1, 2, 3, 4, 5, 6)]
    assert quintiles(values) == [2, 3, 4, 5]
    assert quintiles([Fraction(1), Fraction(2)]) == [
        Fraction(6, 5),
        Fraction(7, 5),
        Fraction(8, 5),
        Fraction(9, 5),
    ]
    assert quintiles([Fraction(7)]) == [7, 7, 7, 7]


def test_rounding_takes_halves_away_from_zero():
    assert rounded(Fraction(1, 20000)) == Decimal("0.0001")
    assert rounded(Fraction(-1, 20000)) == Decimal("-0.0001")
    assert rounded(Fraction(1, 3)) == Decimal("0.3333")


def calendar_shop(**changes) -> World:
    made = shop(
        order("1", "ann", date(2024, 1, 1)),
        order("2", "bob", date(2024, 2, 10)),
        order("3", "cas", date(2024, 5, 1)),
        **changes,
    )
    return replace(made, settings=made.settings | {"score_method": "quantile"})


def test_first_scorecard_holds_to_the_first_quarter_end_after_it():
    made = calendar_shop(settings={"min_calibration_customers": 2})
    oracle = Oracle(made)
    cut_on = {
        day: oracle.scorecard(day).scorecard_id.removeprefix("calibrated-")
        for day in map(
            date.fromisoformat,
            ("2024-01-01", "2024-03-31", "2024-04-01", "2024-06-30", "2024-07-01", "2025-06-01"),
        )
    }
    assert list(cut_on.values()) == [
        "2024-02-10",
        "2024-02-10",
        "2024-03-31",
        "2024-03-31",
        "2024-06-30",
        "2024-12-31",
    ]
    assert oracle.scorecard(date(2024, 4, 1)).population == 2
    # On 31 March the recencies are 90 and 50 days.
    assert oracle.scorecard(date(2024, 4, 1)).cuts["recency"] == [58, 66, 74, 82]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"min_calibration_customers": 4}, "2024-12-31"),  # never reached: provisional
        ({"min_calibration_customers": 2, "calibrate": "once"}, "2024-02-10"),
        ({"min_calibration_customers": 2, "calibrate": "as_of"}, "2024-12-31"),
        ({"min_calibration_customers": 2, "calibrate": "monthly"}, "2024-02-10"),
        ({"min_calibration_customers": 1, "min_calibration_days": 60}, "2024-03-01"),
    ],
)
def test_scorecard_in_force_at_the_beginning(changed, expected):
    oracle = Oracle(calendar_shop(settings=changed))
    assert oracle.scorecard(JAN_1).scorecard_id == f"calibrated-{expected}"


def test_new_scorecard_and_new_rules_are_told_apart():
    made = calendar_shop(settings={"min_calibration_customers": 2})
    assert Oracle(made).cause("bob", date(2024, 4, 1)) == "recalibrated"
    later = shop(
        order("1", "ann", JAN_1),
        segment_rules=[box("one", 10), box("two", 10, valid_from="2024-01-03")],
    )
    oracle = Oracle(later)
    assert story(oracle)[1] == ("2024-01-03", "two", "new", "rules_changed")
    assert oracle.rules(date(2023, 1, 1)).ruleset_id == "default@2000-01-01"
    assert oracle.rules(date(2024, 1, 3)).ruleset_id == "default@2024-01-03"


def test_a_bound_crossed_on_the_day_that_moves_it_is_ageing():
    # Day 31 ends `new` by the old bounds on the very day on which the new ones end it on day 7.
    day = JAN_1 + timedelta(days=31)
    shorter = stages(new=7, valid_from=day.isoformat())
    made = shop(
        order("1", "ann", JAN_1),
        order("2", "ann", JAN_1 + timedelta(days=20)),
        lifecycle_stages=stages() + shorter,
    )
    assert (day.isoformat(), "r4", "active", "aged") in story(Oracle(made))


def test_rank_first_breaks_ties_of_frequency_by_customer():
    made = shop(
        *(order(name, name, JAN_1) for name in "abcde"),
        settings={"score_method": "quantile", "calibrate": "as_of", "tie_rule": "rank_first"},
    )
    oracle = Oracle(made)
    # Ranks 1 to 5 against cut points 1.8, 2.6, 3.4 and 4.2.
    assert [labelled(oracle, name, made.as_of).f_score for name in "abcde"] == [1, 2, 3, 4, 5]


@settings(max_examples=25, deadline=None)
@given(worlds())
def test_intervals_follow_each_other_and_say_what_each_day_says(made):
    oracle = Oracle(made)
    # A window that is empty on the first day of calibration leaves nobody to cut a scorecard on.
    assume(oracle.population(oracle.first_eligible_day()))
    for name in oracle.customers:
        intervals = oracle.timeline(name)
        for one, following in pairwise(intervals):
            assert one.valid_from < one.valid_to == following.valid_from
            assert one.label != following.label
        for one in intervals:
            last = min(one.valid_to - timedelta(days=1), oracle.horizon())
            assert oracle.label(name, one.valid_from) == oracle.label(name, last) == one.label


def test_world_of_a_number_is_always_the_same():
    assert world(7) == world(7)
    assert world(7) != world(8)


def test_worlds_are_not_boring():
    causes = {one.cause for number in range(40) for one in Oracle(world(number)).timelines()}
    assert causes == {
        "bought",
        "aged",
        "window_exit",
        "recalibrated",
        "rules_changed",
        "corrected",
        "merged",
    }
