"""What a campaign added: published trials, other people's implementations, and what must hold."""

from __future__ import annotations

from decimal import Decimal
from math import inf, isnan, nan, sqrt

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats import proportion

from orchestration.measures.lift import (
    Counts,
    Estimate,
    Sums,
    mean_lift,
    rate_difference,
    rate_lift,
    rate_ratio,
    return_on_spend,
    wilson,
)

# Kevin Hillstrom's e-mail challenge of 2008: 64,000 customers, a third of them left alone.
# Customers, visitors, buyers and spending of two weeks, as tabled of his file again and again.
MEN, WOMEN, NOBODY = 21_307, 21_387, 21_306
VISITS = {"men": Counts(MEN, 3894), "women": Counts(WOMEN, 3238), "nobody": Counts(NOBODY, 2262)}
BUYERS = {"men": Counts(MEN, 267), "women": Counts(WOMEN, 189), "nobody": Counts(NOBODY, 122)}
SPENDING = {"men": 30_311.69, "women": 23_038.11, "nobody": 13_908.33}

ARMS = st.integers(1, 400).flatmap(
    lambda size: st.builds(Counts, st.just(size), st.integers(0, size))
)
AMOUNTS = st.lists(st.decimals(-50, 500, places=2), min_size=2, max_size=40)


def ends(estimate: Estimate) -> tuple[float, float]:
    return estimate.low, estimate.high


def sums(amounts: list[Decimal]) -> Sums:
    return Sums(len(amounts), sum(amounts, Decimal(0)), sum((a * a for a in amounts), Decimal(0)))


# Rates


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        (Counts(70, 56), Counts(80, 48), 0.0524, 0.3339),
        (Counts(10, 9), Counts(10, 3), 0.1705, 0.8090),
        (Counts(7, 6), Counts(7, 2), 0.0582, 0.8062),
        (Counts(56, 5), Counts(29, 0), -0.0381, 0.1926),
        (Counts(10, 0), Counts(20, 0), -0.1611, 0.2775),
        (Counts(10, 0), Counts(10, 0), -0.2775, 0.2775),
        (Counts(10, 10), Counts(20, 0), 0.6791, 1.0),
        (Counts(10, 10), Counts(10, 0), 0.6075, 1.0),
    ],
)
def test_difference_is_that_of_newcombe(first, second, low, high):
    """Newcombe 1998, Statistics in Medicine 17:873-890, table II, method 10, four decimals."""
    found = rate_difference(first, second)
    assert ends(found) == pytest.approx((low, high), abs=5e-5)
    assert found.value == pytest.approx(first.rate - second.rate)


def test_trial_of_perondi_gives_the_published_intervals():
    """Perondi et al. 2004, 7 of 34 against 1 of 34, as computed by R.

    Difference by contingencytables::Newcombe_hybrid_score_CI_2x2, ratio by PropCIs::riskscoreci and
    contingencytables::Koopman_asymptotic_score_CI_2x2; Fagerland et al. 2015 print them rounded.
    """
    high, standard = Counts(34, 7), Counts(34, 1)
    assert ends(rate_difference(high, standard)) == pytest.approx((0.0189, 0.3404), abs=5e-5)
    ratio = rate_ratio(high, standard)
    assert (ratio.value, *ends(ratio)) == pytest.approx((7, 1.220853, 42.575718), abs=5e-7)


def test_ratio_is_that_of_koopman():
    """Koopman 1984, Biometrics 40:513, 36 of 40 against 16 of 80, quoted by Nam 1995."""
    ratio = rate_ratio(Counts(40, 36), Counts(80, 16))
    assert (ratio.value, *ends(ratio)) == pytest.approx((4.5, 2.940, 7.152), abs=5e-4)


@pytest.mark.parametrize(
    ("name", "outcome", "difference", "interval", "p_value"),
    [
        ("men", VISITS, 0.076590, (0.069953, 0.083226), 2.774e-113),
        ("women", VISITS, 0.045233, (0.038894, 0.051573), 1.941e-44),
        ("men", BUYERS, 0.006805, (0.005000, 0.008610), 1.473e-13),
        ("women", BUYERS, 0.003111, (0.001499, 0.004724), 1.559e-04),
    ],
)
def test_hillstrom_rates_are_the_published_ones(name, outcome, difference, interval, p_value):
    """Regressions with HC3 errors of a public evaluation of the file; Radcliffe 2008 rounds them.

    Differences are equal to the last digit. The intervals there are symmetric, so the score
    interval is only as near as such arms make it.
    """
    found = rate_lift(outcome[name], outcome["nobody"], fewest=100)
    assert found.difference.value == pytest.approx(difference, abs=5e-7)
    assert ends(found.difference) == pytest.approx(interval, abs=4e-5)
    assert np.log(found.p_value) == pytest.approx(np.log(p_value), rel=0.02)
    assert found.lack is None
    assert found.incremental.value == pytest.approx(
        outcome[name].successes
        - outcome["nobody"].successes * outcome[name].customers / outcome["nobody"].customers
    )


@settings(max_examples=60, deadline=None)
@given(ARMS, ARMS, st.sampled_from([0.8, 0.95, 0.999]))
def test_intervals_of_rates_are_those_of_statsmodels(one, other, confidence):
    counts = one.successes, one.customers, other.successes, other.customers
    alpha = 1 - confidence
    peer = proportion.confint_proportions_2indep(
        *counts, compare="diff", method="newcomb", alpha=alpha
    )
    assert ends(rate_difference(one, other, confidence=confidence)) == pytest.approx(peer, abs=1e-9)
    # Its search for the limits of a ratio fails at the edges; there the published cases stand.
    assume(all(0 < arm.successes < arm.customers for arm in (one, other)))
    assume(min(one.successes, other.successes) > 2)
    peer = proportion.confint_proportions_2indep(
        *counts, compare="ratio", method="score", correction=False, alpha=alpha
    )
    assert ends(rate_ratio(one, other, confidence=confidence)) == pytest.approx(peer, rel=1e-5)


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@settings(deadline=None)
@given(ARMS, ARMS)
def test_p_value_is_that_of_statsmodels_and_of_the_interval_of_the_ratio(one, other):
    lift = rate_lift(one, other, fewest=0)
    if 0 < one.successes + other.successes < one.customers + other.customers:
        peer = proportion.test_proportions_2indep(
            *(one.successes, one.customers, other.successes, other.customers),
            compare="ratio",
            method="score",
            correction=False,
        )
        assert lift.p_value == pytest.approx(peer.pvalue, abs=1e-9)
    assume(abs(lift.p_value - 0.05) > 1e-9)
    assert (lift.p_value < 0.05) != (lift.ratio.low <= 1 <= lift.ratio.high)


@settings(deadline=None)
@given(ARMS, ARMS)
def test_intervals_of_rates_hold_their_estimate_and_know_no_direction(one, other):
    for estimate, lowest, highest in (
        (wilson(one), 0, 1),
        (rate_difference(one, other), -1, 1),
        (rate_ratio(one, other), 0, inf),
    ):
        assert lowest - 1e-12 <= estimate.low <= estimate.high <= highest + 1e-12
        if not isnan(estimate.value):
            assert estimate.low - 1e-9 <= estimate.value <= estimate.high + 1e-9
    forth, back = rate_difference(one, other), rate_difference(other, one)
    assert ends(forth) == pytest.approx((-back.high, -back.low), abs=1e-12)
    forth, back = rate_ratio(one, other), rate_ratio(other, one)
    assert forth.high == (pytest.approx(1 / back.low) if back.low else inf)


@settings(deadline=None)
@given(ARMS, ARMS)
def test_more_confidence_and_fewer_customers_widen(one, other):
    def width(estimate: Estimate) -> float:
        return estimate.high - estimate.low

    more = [Counts(100 * arm.customers, 100 * arm.successes) for arm in (one, other)]
    assert width(rate_difference(*more)) < width(rate_difference(one, other))
    assert width(rate_difference(one, other, confidence=0.99)) > width(rate_difference(one, other))


def test_a_ratio_without_successes_is_as_open_as_it_must_be():
    assert ends(rate_ratio(Counts(10, 0), Counts(10, 0))) == (0, inf)
    assert isnan(rate_ratio(Counts(10, 0), Counts(10, 0)).value)
    only = rate_ratio(Counts(10, 10), Counts(10, 0))
    assert (only.value, only.high) == (inf, inf)
    # z^2 = 3.8415 = n (1 - p) / p where p, the rate the ratio leaves the empty arm, solves it.
    assert only.low == pytest.approx(3.6032, abs=5e-5)


@pytest.mark.parametrize(
    ("treated", "control", "lack"),
    [
        (Counts(1000, 30), Counts(100, 9), "too_few_successes"),
        (Counts(1000, 30), Counts(100, 10), None),
        (Counts(1000, 991), Counts(100, 50), "too_few_failures"),
        (Counts(1000, 30), Counts(0, 0), "too_few_customers"),
    ],
)
def test_arms_that_say_too_little_are_named(treated, control, lack):
    found = rate_lift(treated, control, fewest=10)
    assert found.lack == lack
    assert isnan(found.p_value) == isnan(found.difference.low) == (control.customers == 0)


@pytest.mark.parametrize("counts", [(3, 4), (3, -1), (-1, -1)])
def test_impossible_counts_are_refused(counts):
    with pytest.raises(ValueError, match="successes of"):
        Counts(*counts)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_a_confidence_is_a_probability(confidence):
    with pytest.raises(ValueError, match="confidence"):
        rate_difference(Counts(9, 3), Counts(9, 3), confidence=confidence)


# Amounts


def hillstrom_spending() -> dict[str, Sums]:
    """Sums of squares from what is published of the file's spending.

    Of all customers: standard deviation 15.036448. Of men's e-mail against none: Student's t
    5.300090294465472. Of women's e-mail against none: half an interval of 0.255455. Three equations
    give the squares within three arms; the interval of men's e-mail is used in none of them.
    """
    total = sum(SPENDING.values())
    sizes = {"men": MEN, "women": WOMEN, "nobody": NOBODY}
    means = {name: SPENDING[name] / sizes[name] for name in sizes}
    pooled = ((means["men"] - means["nobody"]) / 5.300090294465472) ** 2 / (1 / MEN + 1 / NOBODY)
    men_and_nobody = pooled * (MEN + NOBODY - 2)
    between = sum(sizes[name] * (means[name] - total / 64_000) ** 2 for name in sizes)
    women = 15.036448**2 * 63_999 - between - men_and_nobody
    error = (0.67987 - 0.16896) / 2 / stats.norm.ppf(0.975)
    nobody = (error**2 - women / (WOMEN - 1) / WOMEN) * NOBODY * (NOBODY - 1)
    within = {"men": men_and_nobody - nobody, "women": women, "nobody": nobody}
    return {
        name: Sums(sizes[name], SPENDING[name], within[name] + sizes[name] * means[name] ** 2)
        for name in sizes
    }


def test_hillstrom_spending_is_the_published_one():
    """Intervals and p-values of the regressions named above, which take the normal quantile."""
    arms = hillstrom_spending()
    men = mean_lift(arms["men"], arms["nobody"], fewest=10)
    assert men.difference.value == pytest.approx(0.769827156, abs=5e-10)
    assert ends(men.difference) == pytest.approx((0.48514, 1.05451), abs=1.5e-5)
    assert men.p_value == pytest.approx(1.158e-07, rel=0.01)
    women = mean_lift(arms["women"], arms["nobody"], fewest=10)
    assert women.difference.value == pytest.approx(0.424412, abs=5e-7)
    assert ends(women.difference) == pytest.approx((0.16896, 0.67987), abs=1.5e-5)
    assert women.p_value == pytest.approx(1.129e-03, rel=0.005)
    assert men.incremental.value == pytest.approx(0.769827156 * MEN, abs=1e-4)
    assert men.lack is None


def test_welch_is_the_published_one():
    """R, help of t.test: extra sleep of ten patients under two drugs; t -1.8608, df 17.776."""
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    arms = [sums([Decimal(str(value)) for value in values]) for values in (first, second)]
    found = mean_lift(arms[0], arms[1], fewest=1)
    assert found.df == pytest.approx(17.776, abs=5e-4)
    assert found.p_value == pytest.approx(0.07939, abs=5e-6)
    assert ends(found.difference) == pytest.approx((-3.3654832, 0.2054832), abs=5e-8)


@pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")
@settings(deadline=None)
@given(AMOUNTS, AMOUNTS, st.sampled_from([0.8, 0.95, 0.999]))
def test_means_are_compared_as_scipy_does(first, second, confidence):
    one, other = sums(first), sums(second)
    found = mean_lift(one, other, fewest=0, confidence=confidence)
    assume(one.variance + other.variance > 0)
    peer = stats.ttest_ind_from_stats(
        *(one.mean, sqrt(one.variance), one.customers),
        *(other.mean, sqrt(other.variance), other.customers),
        equal_var=False,
    )
    assert found.p_value == pytest.approx(peer.pvalue, rel=1e-9, abs=1e-15)
    raw = stats.ttest_ind(
        [float(a) for a in first], [float(a) for a in second], equal_var=False
    ).confidence_interval(confidence)
    scale = 1e-9 * max(1, *map(abs, raw))
    assert ends(found.difference) == pytest.approx((raw.low, raw.high), abs=scale)


@settings(deadline=None)
@given(AMOUNTS, st.integers(0, 10**9))
def test_a_great_constant_does_not_drown_the_spread(amounts, constant):
    moved = sums([amount + constant for amount in amounts])
    assert moved.variance == pytest.approx(sums(amounts).variance, rel=1e-12)


@settings(deadline=None)
@given(st.integers(1, 50), st.integers(0, 50), st.decimals("0.01", 500, places=2))
def test_equal_payers_are_counted(payers, others, amount):
    arm = sums([amount] * payers + [Decimal(0)] * others)
    assert arm.payers == pytest.approx(payers)


def test_one_great_basket_counts_as_one_payer():
    assert sums([Decimal(10_000), *[Decimal(1)] * 20]).payers == pytest.approx(1, abs=0.01)
    whale = sums([Decimal(10_000), *[Decimal(1)] * 20])
    calm = sums([*map(Decimal, range(1, 22))])
    assert mean_lift(whale, calm, fewest=10).lack == "too_few_payers"
    assert mean_lift(calm, calm, fewest=10).lack is None


def test_amounts_that_do_not_vary_have_no_interval():
    found = mean_lift(Sums(30, 30, 30), Sums(20, 0, 0), fewest=10)
    assert (found.difference.value, found.lack) == (1, "too_few_payers")
    assert isnan(found.difference.low)
    assert isnan(found.p_value)


@pytest.mark.parametrize("control", [Sums(0, 0, 0), Sums(1, 5, 25)])
def test_an_arm_of_less_than_two_says_nothing(control):
    found = mean_lift(Sums(9, 9, 11), control, fewest=1)
    assert found.lack == "too_few_customers"
    assert isnan(found.difference.high)


@pytest.mark.parametrize("numbers", [(-1, 0, 0), (0, 1, 1), (2, 10, 49), (3, 0, -1)])
def test_impossible_sums_are_refused(numbers):
    with pytest.raises(ValueError, match="sum"):
        Sums(*numbers)


def test_sums_of_floating_point_numbers_may_miss_by_their_rounding():
    amounts = np.full(1000, 0.1)
    assert Sums(1000, float(amounts.sum()), float((amounts**2).sum())).variance < 1e-12


# What came back


def test_return_on_spend_by_hand():
    lift = mean_lift(
        Sums(1000, Decimal(5000), Decimal(90_000)),
        Sums(500, Decimal(2000), Decimal(30_000)),
        fewest=1,
    )
    found = return_on_spend(lift, Decimal(400))
    # 5000 / 400; one more per customer of 1000 over 400.
    assert found.attributed == 12.5
    assert found.incremental.value == pytest.approx(2.5)
    assert ends(found.incremental) == pytest.approx(
        (lift.difference.low * 2.5, lift.difference.high * 2.5)
    )


def test_what_costs_nothing_returns_no_ratio():
    lift = mean_lift(Sums(9, 9, 11), Sums(9, 9, 11), fewest=1)
    free = return_on_spend(lift, 0)
    assert [free.attributed, free.incremental.value] == pytest.approx([nan, nan], nan_ok=True)
    with pytest.raises(ValueError, match="less than nothing"):
        return_on_spend(lift, Decimal(-1))
