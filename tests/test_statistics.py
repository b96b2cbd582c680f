"""The statistics of the checks: published numbers, and properties that must hold for any counts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from orchestration.measures import control, distances, mobility, moments, tables

PUBLISHED = json.loads(
    (Path(__file__).parent / "fixtures" / "published_statistics.json").read_text(encoding="utf-8")
)
COUNTS = st.lists(st.integers(0, 500), min_size=3, max_size=8).filter(lambda n: sum(n) > 0)
PAIRS = st.integers(3, 8).flatmap(
    lambda size: st.tuples(
        *(st.lists(st.integers(1, 500), min_size=size, max_size=size) for _ in range(2))
    )
)
SQUARES = st.integers(2, 6).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(0, 200), min_size=size, max_size=size), min_size=size, max_size=size
    )
)


# Distances


@pytest.mark.parametrize("case", PUBLISHED["psi_limit"]["cases"], ids=lambda case: str(case["N"]))
def test_psi_limit_is_the_published_one(case):
    limit = distances.psi_limit(case["bins"], case["N"], case["M"], case["p"])
    assert limit == pytest.approx(case["value"], rel=1e-12)


def test_distances_of_the_published_counts():
    case = PUBLISHED["counts_pair"]
    pair = case["reference"], case["current"]
    assert distances.hellinger(*pair) == pytest.approx(case["hellinger"], rel=1e-12)
    assert distances.psi(*pair, added=0) == pytest.approx(case["psi_raw"], rel=1e-12)
    assert distances.psi(*pair) == pytest.approx(case["psi_half_count"], rel=1e-12)
    assert distances.total_variation(*pair) == pytest.approx(case["total_variation"], rel=1e-12)
    assert distances.largest_difference(*pair) == pytest.approx(4 / 88, rel=1e-12)
    assert tables.goodness_of_fit(*pair).p_value == pytest.approx(case["chi2_p"], rel=1e-9)


def test_g_test_gives_the_published_p_value():
    case = PUBLISHED["g_test"]
    found = tables.goodness_of_fit(case["reference"], case["current"], likelihood_ratio=True)
    assert found.p_value == pytest.approx(case["p"], abs=5e-5)
    assert found.df == 2


@pytest.mark.parametrize("case", PUBLISHED["jensen_shannon"]["cases"])
def test_jensen_shannon_is_the_published_one(case):
    found = distances.jensen_shannon(case["p"], case["q"], base=case.get("base"))
    assert found == pytest.approx(case["value"], rel=1e-12)


def test_psi_to_expect_and_its_p_value():
    assert distances.psi_without_drift(10, 500, 500) == pytest.approx(9 * 2 / 500)
    limit = distances.psi_limit(10, 500, 500, 0.001)
    assert distances.psi_p_value(limit, 10, 500, 500) == pytest.approx(0.001, rel=1e-9)
    assert distances.psi_p_value(0.3, 1, 500, 500) == 1.0


def test_psi_of_an_empty_bin_is_large_and_finite():
    assert 1 < distances.psi([50, 50, 0], [0, 50, 50]) < 20
    assert distances.psi([50, 50, 0], [0, 50, 50], added=0) == np.inf


@given(PAIRS, st.randoms(use_true_random=False))
def test_distances_are_symmetric_and_know_no_order_of_bins(pair, random):
    places = list(range(len(pair[0])))
    random.shuffle(places)
    shuffled = [[counts[place] for place in places] for counts in pair]
    for measure in (
        distances.psi,
        distances.total_variation,
        distances.largest_difference,
        distances.hellinger,
        distances.jensen_shannon,
    ):
        found = measure(*pair)
        assert found >= 0
        assert measure(pair[1], pair[0]) == pytest.approx(found, abs=1e-12)
        assert measure(*shuffled) == pytest.approx(found, abs=1e-12)
        assert measure(pair[0], pair[0]) == pytest.approx(0, abs=1e-7)


@given(PAIRS, st.integers(2, 9))
def test_distances_of_shares_do_not_depend_on_the_size(pair, factor):
    larger = [[factor * count for count in counts] for counts in pair]
    for measure in (distances.total_variation, distances.hellinger, distances.jensen_shannon):
        assert measure(*larger) == pytest.approx(measure(*pair), abs=1e-9)
    raw = distances.psi(*pair, added=0)
    assert distances.psi(*larger, added=0) == pytest.approx(raw, abs=1e-9)


@given(*[st.lists(st.integers(0, 9), min_size=40, max_size=120)] * 2)
def test_kolmogorov_smirnov_on_bins_is_that_of_scipy(first, second):
    binned = [np.bincount(values, minlength=10) for values in (first, second)]
    distance, p_value = distances.kolmogorov_smirnov(*binned)
    peer = stats.ks_2samp(first, second, method="asymp")
    assert distance == pytest.approx(peer.statistic, abs=1e-12)
    size = len(first) * len(second) / (len(first) + len(second))
    assert p_value == pytest.approx(stats.kstwobign.sf(np.sqrt(size) * peer.statistic), abs=1e-12)
    # The peer corrects its own p-value for few cases; with more of them the two meet.
    many = stats.ks_2samp(first * 20, second * 20, method="asymp")
    _, p_of_many = distances.kolmogorov_smirnov(*(counts * 20 for counts in binned))
    assert p_of_many == pytest.approx(many.pvalue, abs=0.03)


# Tables


def test_transition_homogeneity_is_the_published_one():
    case = PUBLISHED["transition_homogeneity"]
    ratio = tables.homogeneity(case["first"], case["second"], likelihood_ratio=True)
    assert ratio.statistic == pytest.approx(case["likelihood_ratio"], rel=1e-12)
    assert ratio.df == case["df"]
    pearson = tables.homogeneity(case["first"], case["second"])
    assert pearson.statistic == pytest.approx(case["pearson"], rel=1e-12)


def test_cells_that_are_too_small_are_added_up():
    pair = np.array([[50.0, 2, 1, 2], [50.0, 1, 2, 3]])
    # Expected counts of the last three are 1.49, 1.49 and 2.48, together 5.45.
    assert tables.pooled(pair, 5).tolist() == [[50, 5], [50, 6]]
    assert tables.pooled(pair, 0) is pair
    test = tables.homogeneity(pair[:1], pair[1:], pool_below=5)
    assert test.df == 1


def test_a_pool_that_is_too_small_takes_the_next_column():
    pair = np.array([[50.0, 8, 1], [50.0, 8, 1]])
    assert tables.pooled(pair, 5).tolist() == [[50, 9], [50, 9]]


@given(SQUARES)
def test_equal_transitions_are_homogeneous(table):
    test = tables.homogeneity(table, np.asarray(table) * 2, pool_below=5)
    assert test.statistic == pytest.approx(0, abs=1e-9)
    assert test.p_value == pytest.approx(1)


@given(PAIRS)
def test_pooling_keeps_every_customer(pair):
    pair = np.asarray(pair, dtype=float)
    found = tables.pooled(pair, 5)
    assert found.sum(axis=1).tolist() == pair.sum(axis=1).tolist()
    expected = np.outer(found.sum(axis=1), found.sum(axis=0)) / found.sum()
    assert found.shape[1] == 1 or expected.min() >= 5


@given(PAIRS)
def test_independence_is_that_of_scipy(pair):
    for ratio in (False, True):
        expected = stats.chi2_contingency(
            pair, correction=False, lambda_="log-likelihood" if ratio else None
        )
        found = tables.independence(pair, likelihood_ratio=ratio)
        assert found.statistic == pytest.approx(expected.statistic, abs=1e-8)
        assert found.df == expected.dof
        assert found.p_value == pytest.approx(expected.pvalue, abs=1e-10)


def test_stuart_maxwell_is_the_published_one():
    case = PUBLISHED["stuart_maxwell"]
    found = tables.stuart_maxwell(case["table"])
    assert found.statistic == pytest.approx(case["statistic"], rel=1e-12)
    assert (found.df, round(found.statistic, 2)) == (case["df"], 11.96)
    assert found.p_value == pytest.approx(case["p"], rel=1e-9)


def test_cramers_v_is_that_of_the_published_table():
    case = PUBLISHED["cramers_v"]
    test = tables.independence(case["table"])
    assert test.statistic == pytest.approx(case["chi2"], rel=1e-12)
    assert test.df == case["df"]
    plain = tables.cramers_v(case["table"], corrected=False)
    assert plain == pytest.approx(case["v"], rel=1e-12)
    assert tables.cramers_v(case["table"]) == pytest.approx(case["v_bias_corrected"], rel=1e-12)


@pytest.mark.parametrize("table", [[[3, 4]], [[3], [4]], [[0, 0], [3, 4]], [[1, 0], [0, 0]]])
def test_a_table_without_two_rows_and_columns_shows_no_association(table):
    assert tables.cramers_v(table) == 0
    assert tables.independence(table).p_value == 1


@pytest.mark.parametrize("case", PUBLISHED["adjusted_rand_index"]["cases"])
def test_adjusted_rand_index_is_the_published_one(case):
    table = np.zeros((3, 3))
    np.add.at(table, (case["a"], case["b"]), 1)
    assert tables.adjusted_rand_index(table) == pytest.approx(case["value"], rel=1e-12)


def test_two_proportions_by_hand():
    # 60 of 100 against 40 of 100: z = 0.2 / sqrt(0.5 * 0.5 * 0.02) = 2.8284
    assert tables.two_proportions(60, 100, 40, 100) == pytest.approx(0.004678, abs=1e-6)
    assert tables.two_proportions(0, 10, 0, 20) == 1


def test_benjamini_hochberg_rejects_as_many_as_published():
    case = PUBLISHED["benjamini_hochberg"]
    adjusted = tables.benjamini_hochberg(case["p"])
    assert sum(p <= case["q"] for p in adjusted) == case["bh_rejects"]
    assert sum(p * len(case["p"]) <= case["q"] for p in case["p"]) == case["bonferroni_rejects"]


@given(st.lists(st.floats(0, 1), max_size=20))
def test_adjusted_p_values_are_never_smaller_and_keep_their_order(p_values):
    adjusted = tables.benjamini_hochberg(p_values)
    pairs = sorted(zip(p_values, adjusted, strict=True))
    assert all(before <= after <= 1 for before, after in pairs)
    assert [after for _, after in pairs] == sorted(adjusted)


# Mobility


def test_mobility_indices_are_the_published_ones():
    case = PUBLISHED["mobility"]
    shares = case["P"]
    assert mobility.shorrocks(shares) == pytest.approx(case["shorrocks"], abs=5e-6)
    assert mobility.determinant_mobility(shares) == pytest.approx(case["det"], abs=5e-6)
    assert mobility.second_eigenvalue_mobility(shares) == pytest.approx(case["L2"], abs=5e-6)
    left, crossed = mobility.bartholomew(shares, case["ini"])
    assert (left, crossed) == pytest.approx((case["B1"], case["B2"]), abs=5e-6)
    assert mobility.singular_mobility(shares) == pytest.approx(case["m_svd"], abs=5e-7)


@given(st.integers(3, 8), st.floats(0, 0.9))
def test_mean_singular_value_of_even_movement_is_its_probability(size, p):
    shares = (1 - p) * np.eye(size) + p / (size - 1) * (np.ones((size, size)) - np.eye(size))
    # Everybody leaves with probability p, so all singular values are p k / (k - 1) but one, 0.
    assert mobility.singular_mobility(shares) == pytest.approx(p, abs=1e-9)


@given(SQUARES)
def test_movement_lies_between_nobody_and_everybody(table):
    shares = mobility.transition_shares(table)
    assert shares.sum(axis=1) == pytest.approx(np.ones(len(table)))
    assert -1e-12 <= mobility.shorrocks(shares) <= len(table) / (len(table) - 1) + 1e-12
    assert mobility.shorrocks(np.eye(len(table))) == 0
    assert mobility.singular_mobility(np.eye(len(table))) == 0


@given(SQUARES, st.integers(0, 2**31))
def test_resampling_is_the_same_for_the_same_seed(table, seed):
    first, second = (mobility.resampled(table, 5, seed) for _ in range(2))
    assert (first == second).all()
    assert first.shape == (5, len(table), len(table))
    assert first.sum(axis=2) == pytest.approx(np.ones((5, len(table))))


# Control


def test_robust_z_by_hand():
    # Median 10, MAD 1: 14 is 4 / 1.4826 away.
    assert control.robust_z(14, [9, 10, 11, 9, 11, 10, 8]) == pytest.approx(4 / 1.4826)
    assert control.robust_z(5, [5, 5, 5]) == 0
    assert control.robust_z(6, [5, 5, 5]) == np.inf


def test_deviation_of_a_day_by_hand():
    # All eight weeks were 100: m = ln 100.5, no spread, so Poisson and 3 % decide:
    # s = sqrt(1/100.5 + 0.0009) sqrt(1 + 1.57/8) = 0.11393; z = ln(50.5/100.5) / s = -6.0405
    reference = np.full((1, 8), np.log(100.5))
    found = control.log_deviations([np.log(50.5)], reference, fewest=6, floor=0.03)
    assert found.z[0] == pytest.approx(-6.0405, abs=5e-4)
    assert found.ratio[0] == pytest.approx(50.5 / 100.5 - 1)
    assert found.expected[0] == pytest.approx(100.5)


def test_deviation_needs_enough_weeks():
    reference = np.log(np.array([[100.5] * 5 + [np.nan] * 3, [100.5] * 6 + [np.nan] * 2]))
    found = control.log_deviations(np.log([50.5, 50.5]), reference, fewest=6, floor=0.03)
    assert np.isnan(found.z).tolist() == [True, False]
    assert found.points.tolist() == [5, 6]


@given(st.lists(st.floats(-5, 5), min_size=8, max_size=8), st.permutations(range(8)))
def test_deviation_knows_no_order_of_its_reference(logs, order):
    reference = np.array([logs, [logs[place] for place in order]])
    found = control.log_deviations([1.0, 1.0], reference, fewest=6, floor=0.03)
    assert found.z[0] == found.z[1]
    assert found.expected[0] == pytest.approx(np.exp(np.median(logs)))


@given(st.lists(st.floats(-4, 4) | st.just(np.nan), max_size=60), st.floats(0, 1))
def test_cusum_is_its_recursion(deviations, slack):
    up, down = control.cusum(np.array(deviations), slack)
    high = low = 0.0
    for place, z in enumerate(deviations):
        if not np.isnan(z):
            high, low = max(0.0, high + z - slack), max(0.0, low - z - slack)
        assert up[place] == pytest.approx(high, abs=1e-9)
        assert down[place] == pytest.approx(low, abs=1e-9)


def run_length(shift: float, limit: float, *, two_sided: bool = True, series: int = 3000) -> float:
    """Mean day of the first alarm of a CUSUM with slack 0.5, simulated."""
    length = 2500 if shift == 0 else 800
    noise = np.random.default_rng(20240607).normal(shift, 1, (series, length))
    days = []
    for row in noise:
        up, down = control.cusum(row, 0.5)
        beyond = np.flatnonzero((np.maximum(up, down) if two_sided else up) > limit)
        days.append(beyond[0] + 1 if len(beyond) else length)
    return float(np.mean(days))


@pytest.mark.parametrize("shift", ["0", "0.5", "1", "2"])
def test_cusum_run_lengths_are_the_published_ones(shift):
    case = PUBLISHED["cusum_run_length"]
    found = run_length(float(shift), case["limit"])
    assert found == pytest.approx(case["two_sided"][shift], rel=0.06)


def test_one_sided_cusum_run_length_is_the_published_one():
    case = PUBLISHED["cusum_run_length"]["one_sided_limit_3"]
    assert run_length(1.5, 3, two_sided=False) == pytest.approx(case["1.5"], rel=0.06)
    assert run_length(0, 3, two_sided=False) == pytest.approx(case["0"], rel=0.06)


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 2))
def test_calibrated_limit_keeps_the_alarms_of_its_replay(seed, allowed):
    noise = np.random.default_rng(seed).standard_t(3, 300)
    limit = control.calibrated_limit(noise, 0.75, 2.0, allowed)
    assert limit >= 2.0
    assert control.alarms(noise, 0.75, limit) <= allowed
    assert limit == 2.0 or control.alarms(noise, 0.75, limit - 0.02) > allowed


def test_whitening_takes_the_memory_out_of_a_series():
    generator = np.random.default_rng(7)
    series = np.zeros(4000)
    for day in range(1, 4000):
        series[day] = 0.6 * series[day - 1] + generator.normal()
    phi = control.autocorrelation(series)
    assert phi == pytest.approx(0.6, abs=0.04)
    assert control.autocorrelation(control.whitened(series, phi)) == pytest.approx(0, abs=0.04)
    assert control.autocorrelation(np.zeros(10)) == 0


# Moments


@pytest.mark.parametrize("feature", list(PUBLISHED["eta_squared_iris"]["eta2"]))
def test_eta_squared_of_the_irises(feature):
    case = PUBLISHED["eta_squared_iris"]
    n = case["count"]
    variances = [variance * (n - 1) / n for variance in case["sample_variances"][feature]]
    eta, f = moments.eta_squared([n] * 3, case["means"][feature], variances)
    assert eta == pytest.approx(case["eta2"][feature], abs=5e-7)
    assert f == pytest.approx(case["F"][list(case["eta2"]).index(feature)], rel=1e-4)


@given(st.lists(st.lists(st.floats(-100, 100), min_size=2, max_size=9), min_size=2, max_size=5))
def test_moments_are_those_of_all_values_together(groups):
    counts = [len(group) for group in groups]
    means, variances = ([function(group) for group in groups] for function in (np.mean, np.var))
    total = moments.total_variance(counts, means, variances)
    assert total == pytest.approx(np.var(np.concatenate(groups)), abs=1e-6)
    eta, _ = moments.eta_squared(counts, means, variances)
    assert np.isnan(eta) or -1e-9 <= eta <= 1 + 1e-9
