"""Who is left alone: a fair and lasting draw, what arms can show, and arms that came out wrong."""

from __future__ import annotations

from decimal import Decimal
from math import isnan, nan, sqrt
from uuid import UUID

import duckdb
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats import power as peers
from statsmodels.stats import proportion

from orchestration.measures import tables
from orchestration.measures.holdout import (
    BUCKETS,
    bucket,
    detectable_mean,
    detectable_rate,
    is_held_out,
    power_of_means,
    power_of_rates,
    sample_ratio,
    stratified_balance,
)

SALTS = ("spring", "summer", "autumn", "winter", "spring2")
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
RATES = st.floats(0.01, 0.99)
SIZES = st.integers(5, 100_000)


def customers(kind: str, count: int = 20_000) -> list[str]:
    """Ids as shops have them: counted up, or random."""
    if kind == "counted":
        return [str(number) for number in range(1, count + 1)]
    words = np.random.default_rng(20240607).integers(0, 2**63, (count, 2), dtype=np.uint64)
    return [str(UUID(int=int(high) << 64 | int(low))) for high, low in words.tolist()]


# The draw


@pytest.mark.parametrize(
    ("salt", "customer_id", "digits"),
    [
        ("spring", "1", "c993cc13"),
        ("spring", "10248", "b69975ae"),
        ("été", "münchen:7", "4b80f908"),
    ],
)
def test_buckets_are_what_md5sum_says(salt, customer_id, digits):
    """First digits of `printf '%s' 'spring:1' | md5sum`, and so on."""
    assert f"{bucket(salt, customer_id):08x}" == digits


@settings(max_examples=50, deadline=None)
@given(
    st.lists(TEXTS, min_size=1, max_size=20), TEXTS.filter(lambda salt: salt and ":" not in salt)
)
def test_the_warehouse_computes_the_same_buckets(ids, salt):
    found = duckdb.execute(
        "select ('0x' || substr(md5($salt || ':' || id), 1, 8))::bigint from unnest($ids) as t(id)",
        {"salt": salt, "ids": ids},
    ).fetchall()
    assert [number for (number,) in found] == [bucket(salt, one) for one in ids]


@pytest.mark.parametrize("salt", ["", "a:b", ":"])
def test_a_salt_that_another_may_stand_for_is_refused(salt):
    with pytest.raises(ValueError, match="salt"):
        bucket(salt, "1")


@pytest.mark.parametrize("share", [-0.1, 1.5, Decimal("1.01")])
def test_a_share_is_a_share(share):
    with pytest.raises(ValueError, match="share"):
        is_held_out("spring", "1", share)


@settings(deadline=None)
@given(TEXTS, st.floats(0, 1), st.floats(0, 1))
def test_a_greater_share_keeps_whom_a_smaller_one_held_out(customer_id, one, other):
    low, high = sorted((one, other))
    assert is_held_out("spring", customer_id, low) <= is_held_out("spring", customer_id, high)
    assert not is_held_out("spring", customer_id, 0)
    assert is_held_out("spring", customer_id, 1)


@pytest.mark.parametrize("share", ["0.05", "0.1", "0.25", "0.3"])
def test_a_share_as_decimal_draws_the_same_people(share):
    for one in customers("counted", 2000):
        assert is_held_out("spring", one, Decimal(share)) == is_held_out(
            "spring", one, float(share)
        )


@pytest.mark.parametrize("kind", ["counted", "random"])
@pytest.mark.parametrize("salt", SALTS)
def test_buckets_are_filled_evenly(kind, salt):
    places = [bucket(salt, one) * 64 // BUCKETS for one in customers(kind)]
    counts = np.bincount(places, minlength=64)
    assert len(counts) == 64
    assert stats.chisquare(counts).pvalue > 0.001


@pytest.mark.parametrize("kind", ["counted", "random"])
def test_draws_of_two_salts_know_nothing_of_each_other(kind):
    ids = customers(kind)
    drawn = {salt: np.array([is_held_out(salt, one, 0.2) for one in ids]) for salt in SALTS}
    p_values = []
    for place, one in enumerate(SALTS):
        for other in SALTS[place + 1 :]:
            table = np.histogram2d(drawn[one], drawn[other], bins=2)[0]
            p_values.append(tables.independence(table).p_value)
            assert table[1, 1] == pytest.approx(len(ids) * 0.04, rel=0.1)
    assert min(tables.benjamini_hochberg(p_values)) > 0.01


def test_draws_are_no_more_unbalanced_over_strata_than_chance_makes_them():
    ids = customers("random", 3000)
    names = ["champions", "loyal", "lost"]
    strata = np.random.default_rng(7).choice(names, len(ids), p=[0.1, 0.3, 0.6])
    balances, ratios = [], []
    for number in range(100):
        held = np.array([is_held_out(f"salt{number}", one, 0.2) for one in ids])
        inside = [strata == name for name in names]
        found = stratified_balance(
            {
                name: (int((~held & here).sum()), int((held & here).sum()))
                for name, here in zip(names, inside, strict=True)
            }
        )
        balances.append(found.test.p_value)
        ratios.append(sample_ratio(int((~held).sum()), int(held.sum()), 0.2).p_value)
    # By chance p-values are even between 0 and 1, neither too many small ones nor too few.
    assert stats.kstest(balances, "uniform").pvalue > 0.01
    assert stats.kstest(ratios, "uniform").pvalue > 0.01


def test_a_year_of_moving_segments_leaves_everybody_in_their_arm_and_the_arms_in_balance():
    """Customers come, move between segments and enter and leave the audience for 365 days."""
    chance = np.random.default_rng(365)
    ids = customers("random", 365 * 40)
    share, salt, names = 0.1, "year", np.array(["champions", "loyal", "lost"])
    segments = chance.integers(0, 3, len(ids))
    arms: dict[str, bool] = {}
    daily, balances = [], []
    for day in range(1, 366):
        there = 40 * day
        moving = chance.random(there) < 0.02
        segments[:there][moving] = chance.integers(0, 3, int(moving.sum()))
        members = np.flatnonzero((segments[:there] < 2) & (chance.random(there) < 0.9))
        for place in members:
            customer = ids[place]
            # Whoever comes back is drawn anew, and falls into the same arm.
            assert arms.setdefault(customer, is_held_out(salt, customer, share)) is is_held_out(
                salt, customer, share
            )
        held = np.array([arms[ids[place]] for place in members])
        daily.append(sample_ratio(int((~held).sum()), int(held.sum()), share).p_value)
        if day % 30 == 0:
            of_segment = {name: segments[members] == place for place, name in enumerate(names)}
            found = stratified_balance(
                {
                    name: (int((~held & here).sum()), int((held & here).sum()))
                    for name, here in of_segment.items()
                    if here.any()
                }
            )
            balances.append(found.test.p_value)
    assert min(daily[30:]) > 0.001
    assert min(balances) > 0.001
    assert len(arms) > 10_000


# Power


def test_power_of_rates_is_the_published_one():
    """R, help of power.prop.test: 0.5 against 0.75 needs 76.7 for 0.9 (0.7401659 with 50).

    Stata, power twoproportions as quoted in the tests of statsmodels: 0.015 against 0.001 with 550
    each gives 0.7415600, 0.1 of 154 against 0.2 of 308 gives 0.7995659.
    """
    assert power_of_rates(0.75, 0.5, 50, 50) == pytest.approx(0.7401659, abs=5e-6)
    assert power_of_rates(0.75, 0.5, 76, 76) < 0.9 < power_of_rates(0.75, 0.5, 77, 77)
    assert power_of_rates(0.001, 0.015, 550, 550) == pytest.approx(0.7415600, abs=1e-7)
    assert power_of_rates(0.1, 0.2, 154, 308) == pytest.approx(0.7995659211532175, abs=1e-7)


def test_power_of_means_is_the_published_one():
    """R, help of power.t.test: 0.8689528 with 20 each; Cohen 1988: 64 each find d of a half."""
    assert power_of_means(1, 1, 1, 20, 20) == pytest.approx(0.8689528, abs=5e-7)
    assert power_of_means(0.5, 1, 1, 63, 63) < 0.8 < power_of_means(0.5, 1, 1, 64, 64)


@settings(deadline=None)
@given(RATES, RATES, SIZES, SIZES)
def test_power_of_rates_is_that_of_statsmodels(treated_rate, control_rate, treated, control):
    peer = proportion.power_proportions_2indep(
        treated_rate - control_rate, control_rate, treated, ratio=control / treated
    )
    found = power_of_rates(treated_rate, control_rate, treated, control)
    assert found == pytest.approx(peer.power, abs=1e-9)


@settings(deadline=None)
@given(st.floats(0, 2), st.floats(0.1, 100), st.integers(2, 5000))
def test_power_of_equal_means_is_that_of_statsmodels(effect, deviation, size):
    peer = peers.TTestIndPower().power(effect, size, 0.05)
    found = power_of_means(effect * deviation, deviation, deviation, size, size)
    assume(not isnan(peer))
    assert found == pytest.approx(peer, abs=1e-8)


def test_power_of_unequal_arms_is_what_simulation_finds():
    generator = np.random.default_rng(20240607)
    one = generator.normal(1.5, 2, (20_000, 60))
    other = generator.normal(0, 1, (20_000, 12))
    share = (stats.ttest_ind(one, other, axis=1, equal_var=False).pvalue < 0.05).mean()
    assert power_of_means(1.5, 2, 1, 60, 12) == pytest.approx(share, abs=0.01)


@settings(deadline=None)
@given(RATES, SIZES, SIZES, st.sampled_from([0.5, 0.8, 0.95]))
def test_a_detectable_rate_is_found_with_its_power_and_nothing_smaller_is(
    rate, treated, control, power
):
    found = detectable_rate(rate, treated, control, power=power)
    if isnan(found.absolute):
        assert power_of_rates(1.0, rate, treated, control) < power
        return
    assert power_of_rates(rate + found.absolute, rate, treated, control) == pytest.approx(
        power, abs=1e-6
    )
    assert power_of_rates(rate + 0.9 * found.absolute, rate, treated, control) < power
    assert found.relative == pytest.approx(found.absolute / rate)


@settings(deadline=None)
@given(st.floats(0.1, 100), st.floats(0.1, 100), st.integers(2, 10**6), st.integers(2, 10**6))
def test_a_detectable_mean_is_found_with_its_power(one, other, treated, control):
    found = detectable_mean(50, one, other, treated, control)
    assert power_of_means(found.absolute, one, other, treated, control) == pytest.approx(
        0.8, abs=1e-6
    )
    assert found.relative == found.absolute / 50
    # Never less than a normal test of known spread, 2.8016 standard errors.
    assert found.absolute > 2.8015 * sqrt(one**2 / treated + other**2 / control)


def test_detectable_effects_by_hand():
    # (1.95996 + 0.84162) sqrt(17^2 / 20000 + 11^2 / 20000) = 0.40113
    assert detectable_mean(1, 17, 11, 20_000, 20_000).absolute == pytest.approx(0.40113, abs=5e-5)
    # Cohen's d of 0.5 with 64 each has power 0.80146, so 0.4991 has 0.8.
    assert detectable_mean(0, 1, 1, 64, 64).absolute == pytest.approx(0.4991, abs=5e-4)
    assert isnan(detectable_mean(0, 1, 1, 64, 64).relative)


@pytest.mark.parametrize("sizes", [(0, 100), (100, 0), (1, 1)])
def test_arms_that_are_empty_detect_nothing(sizes):
    assert isnan(detectable_rate(0.1, *sizes).absolute)
    assert isnan(detectable_mean(1, 1, 1, *sizes).absolute)
    assert power_of_rates(1.0, 0.0, 0, 9) == power_of_means(1, 1, 1, 1, 9) == 0


def test_what_does_not_vary_differs_or_does_not():
    assert power_of_rates(1.0, 0.0, 9, 9) == 1
    assert power_of_rates(1.0, 0.0, 1, 1) == 0
    assert power_of_rates(0.0, 0.0, 9, 9) == 0
    assert (power_of_means(1, 0, 0, 9, 9), power_of_means(0, 0, 0, 9, 9)) == (1, 0)


@pytest.mark.parametrize(("power", "alpha"), [(0.05, 0.05), (1.0, 0.05), (0.8, 0.0)])
def test_a_power_is_more_than_chance(power, alpha):
    with pytest.raises(ValueError, match="power"):
        detectable_rate(0.1, 9, 9, power=power, alpha=alpha)
    with pytest.raises(ValueError, match="power"):
        detectable_mean(1, 1, 1, 9, 9, power=power, alpha=alpha)


# Arms that came out wrong


def test_sample_ratio_is_the_published_one():
    """Kohavi, Tang and Xu 2020, chapter 21: 821,588 against 815,482 of a half has p 1.8E-6."""
    found = sample_ratio(815_482, 821_588, 0.5)
    assert found.test.p_value == pytest.approx(1.8e-6, abs=5e-8)
    assert found.p_value == pytest.approx(found.test.p_value, rel=0.01)
    assert found.is_mismatched


@pytest.mark.parametrize(
    ("treated", "control", "p_value"),
    # Of ten with a tenth held out only one is likelier than none.
    [(9, 1, 1.0), (10, 0, 1 - 10 * 0.1 * 0.9**9), (0, 10, 1e-10)],
)
def test_few_customers_are_counted_exactly(treated, control, p_value):
    found = sample_ratio(treated, control, Decimal("0.1"))
    assert found.p_value == pytest.approx(p_value)
    assert found.is_mismatched == (p_value < 0.001)


def test_no_customers_are_no_mismatch():
    found = sample_ratio(0, 0, 0.1)
    assert (found.p_value, found.is_mismatched) == (1, False)
    assert isnan(found.found)


@settings(deadline=None)
@given(st.integers(0, 3000), st.integers(0, 3000), st.floats(0.01, 0.99))
def test_arms_and_shares_may_be_named_either_way(treated, control, share):
    one, other = sample_ratio(treated, control, share), sample_ratio(control, treated, 1 - share)
    assert one.p_value == pytest.approx(other.p_value, rel=1e-6)
    assert one.test.statistic == pytest.approx(other.test.statistic, rel=1e-9)


@pytest.mark.parametrize("share", [0, 1, nan])
def test_a_plan_without_one_of_the_arms_has_no_ratio(share):
    with pytest.raises(ValueError, match="planned share"):
        sample_ratio(9, 1, share)


def test_balance_by_hand():
    found = stratified_balance({"a": (600, 40), "b": (300, 50), "c": (100, 10)})
    assert [one.treated for one in found.strata] == pytest.approx([0.6, 0.3, 0.1])
    assert [one.control for one in found.strata] == pytest.approx([0.4, 0.5, 0.1])
    # 0.2 / sqrt((0.24 + 0.24) / 2) and -0.2 / sqrt((0.21 + 0.25) / 2)
    assert [one.difference for one in found.strata] == pytest.approx(
        [0.408248, -0.417029, 0], abs=1e-6
    )
    assert found.worst == found.strata[1]
    peer = stats.chi2_contingency([[600, 40], [300, 50], [100, 10]])
    assert (found.test.df, found.test.p_value) == (2, pytest.approx(peer.pvalue))


def test_strata_that_are_too_small_are_tested_together():
    found = stratified_balance({"a": (900, 90), "b": (40, 4), "c": (10, 1), "d": (50, 5)})
    assert found.test.df == 2
    assert found.test.statistic == pytest.approx(0, abs=1e-9)
    assert len(found.strata) == 4


@pytest.mark.parametrize("strata", [{}, {"a": (5, 0)}, {"a": (0, 0), "b": (0, 3)}])
def test_an_empty_arm_has_no_balance(strata):
    found = stratified_balance(strata)
    assert (found.strata, found.test.p_value, found.worst) == ((), 1, None)


def test_equal_arms_of_one_stratum_are_balanced():
    found = stratified_balance({"a": (90, 10)})
    assert [(one.difference, one.treated) for one in found.strata] == [(0, 1)]
    assert found.test.p_value == 1
