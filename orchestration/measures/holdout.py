"""Who is left alone to compare with: how it is drawn, how small an effect it shows, if it is sound.

What the comparison finds is in `orchestration.measures.lift`. The draw of the warehouse is SQL; the
function here says what it must compute.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import isfinite, nan, sqrt
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, special, stats

from orchestration.measures.audience_tables import SALT_SEPARATOR
from orchestration.measures.tables import (
    FEWEST_EXPECTED,
    Significance,
    goodness_of_fit,
    independence,
    pooled,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from decimal import Decimal

# Eight hexadecimal digits.
BUCKETS = 2**32


@dataclass(frozen=True)
class DetectableEffect:
    """Smallest rise that is found with the power asked for; NaN if none is.

    Attributes:
        absolute: in the unit of the rate or the mean.
        relative: over the rate or the mean of the control arm; NaN if that is 0.
    """

    absolute: float
    relative: float


@dataclass(frozen=True)
class SampleRatio:
    """Whether arms came out as they were planned.

    Attributes:
        planned: share of the control arm by design.
        found: share of the control arm; NaN without customers.
        test: chi-squared test of the counts against the plan.
        p_value: of the exact binomial test, two-sided.
        is_mismatched: chance does not explain the shares, so no difference of the arms may be
            believed.
    """

    planned: float
    found: float
    test: Significance
    p_value: float
    is_mismatched: bool


@dataclass(frozen=True)
class StratumBalance:
    """A stratum in both arms.

    Attributes:
        stratum: its name.
        treated: share of the treated arm that it makes.
        control: share of the control arm that it makes.
        difference: of the two in standard deviations (Austin 2009); beyond 0.1 it is called
            imbalance.
    """

    stratum: str
    treated: float
    control: float
    difference: float


@dataclass(frozen=True)
class Balance:
    """Whether the arms are made of the same strata.

    Attributes:
        strata: in the order given.
        test: that strata and arms are independent, with strata added up that are too small.
        worst: the stratum with the greatest difference; None without customers in both arms.
    """

    strata: tuple[StratumBalance, ...]
    test: Significance
    worst: StratumBalance | None


def bucket(salt: str, customer_id: str) -> int:
    """Place of a customer among 2^32 buckets, the same for ever and unrelated between salts.

    The first eight hexadecimal digits of md5(salt || ':' || customer_id), text as UTF-8. The hash
    mixes and guards nothing.

    Args:
        salt: of the audience; another salt is another draw.
        customer_id: as the warehouse spells it.

    Raises:
        ValueError: the salt is empty or holds a colon, so that another may give the same text.
    """
    if not salt or SALT_SEPARATOR in salt:
        raise ValueError(f"a salt is not empty and holds no {SALT_SEPARATOR!r}")
    text = f"{salt}{SALT_SEPARATOR}{customer_id}"
    return int(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:8], 16)


def is_held_out(salt: str, customer_id: str, share: Decimal | float) -> bool:
    """Whether a customer belongs to the control arm: bucket / 2^32 < share.

    Nothing but salt and customer decides, so nobody changes arms when others come and go, and a
    greater share keeps everybody whom a smaller one held out.

    Args:
        salt: of the audience.
        customer_id: as the warehouse spells it.
        share: of the control arm, within 0 and 1.

    Raises:
        ValueError: the share is none, or the salt is refused by `bucket`.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a share lies within 0 and 1, {share} does not")
    # A quotient by a power of two is exact, in the warehouse as well as here.
    return bucket(salt, customer_id) / BUCKETS < share


def power_of_rates(
    treated_rate: float,
    control_rate: float,
    treated: int,
    control: int,
    *,
    alpha: float = 0.05,
) -> float:
    """Probability that the pooled z test finds two rates different, both sides counted.

    Normal approximation with the pooled variance under equal rates and the unpooled one under the
    rates given (Fleiss, Levin and Paik 2003, section 4.4).

    Args:
        treated_rate: rate of the treated arm.
        control_rate: rate of the control arm.
        treated: customers of the treated arm.
        control: customers of the control arm.
        alpha: probability of a false alarm, two-sided.
    """
    if min(treated, control) < 1:
        return 0.0
    difference = treated_rate - control_rate
    middle = (treated_rate * treated + control_rate * control) / (treated + control)
    equal = sqrt(middle * (1 - middle) * (1 / treated + 1 / control))
    unequal = sqrt(
        treated_rate * (1 - treated_rate) / treated + control_rate * (1 - control_rate) / control
    )
    limit = -float(special.ndtri(alpha / 2)) * equal
    if unequal == 0:
        return float(abs(difference) > limit)
    return float(
        special.ndtr((difference - limit) / unequal) + special.ndtr((-difference - limit) / unequal)
    )


def power_of_means(
    difference: float,
    treated_deviation: float,
    control_deviation: float,
    treated: int,
    control: int,
    *,
    alpha: float = 0.05,
) -> float:
    """Probability that Welch's test finds two means different, both sides counted.

    By the noncentral t distribution with the degrees of freedom of Welch and Satterthwaite; exact
    for equal arms of equal spread, where it is the power of Student's test.

    Args:
        difference: of the means.
        treated_deviation: standard deviation within the treated arm.
        control_deviation: standard deviation within the control arm.
        treated: customers of the treated arm.
        control: customers of the control arm.
        alpha: probability of a false alarm, two-sided.
    """
    if min(treated, control) < 2:
        return 0.0
    one, other = treated_deviation**2 / treated, control_deviation**2 / control
    if one + other == 0:
        return float(difference != 0)
    df = (one + other) ** 2 / (one**2 / (treated - 1) + other**2 / (control - 1))
    shift = abs(difference) / sqrt(one + other)
    limit = -float(special.stdtrit(df, alpha / 2))
    wrong_side = float(stats.nct.cdf(-limit, df, shift))
    # scipy gives NaN for some of the probabilities that are 0 to ten digits.
    return float(stats.nct.sf(limit, df, shift)) + (wrong_side if isfinite(wrong_side) else 0.0)


def detectable_rate(
    control_rate: float, treated: int, control: int, *, power: float = 0.8, alpha: float = 0.05
) -> DetectableEffect:
    """Find the smallest rise of a rate that two arms show with a given power.

    Args:
        control_rate: rate to expect of the control arm.
        treated: customers of the treated arm.
        control: customers of the control arm.
        power: probability of finding it.
        alpha: probability of a false alarm, two-sided.

    Raises:
        ValueError: the power is that of chance.
    """
    _check_power(power, alpha)

    def excess(rise: float) -> float:
        rate = min(control_rate + rise, 1.0)
        return power_of_rates(rate, control_rate, treated, control, alpha=alpha) - power

    return _detectable(excess, 1 - control_rate, control_rate)


def detectable_mean(
    control_mean: float,
    treated_deviation: float,
    control_deviation: float,
    treated: int,
    control: int,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
) -> DetectableEffect:
    """Find the smallest rise of a mean that two arms show with a given power.

    Args:
        control_mean: amount per customer to expect of the control arm.
        treated_deviation: standard deviation within the treated arm.
        control_deviation: standard deviation within the control arm.
        treated: customers of the treated arm.
        control: customers of the control arm.
        power: probability of finding it.
        alpha: probability of a false alarm, two-sided.

    Raises:
        ValueError: the power is that of chance.
    """
    _check_power(power, alpha)
    if min(treated, control) < 2:
        return DetectableEffect(nan, nan)

    def excess(rise: float) -> float:
        found = power_of_means(
            rise, treated_deviation, control_deviation, treated, control, alpha=alpha
        )
        return found - power

    # Ten standard errors do, unless few degrees of freedom make the limit of the test wide.
    error = sqrt(treated_deviation**2 / treated + control_deviation**2 / control)
    highest = 10 * error
    while excess(highest) < 0 and highest < 1000 * error:
        highest *= 2
    return _detectable(excess, highest, control_mean)


def sample_ratio(
    treated: int, control: int, share: Decimal | float, *, limit: float = 0.001
) -> SampleRatio:
    """Test whether the control arm has the share that was planned.

    Args:
        treated: customers of the treated arm.
        control: customers of the control arm.
        share: of the control arm by design, between 0 and 1.
        limit: p-value below which the arms are mismatched; a thousandth is usual, since the test
            runs every day (Kohavi, Tang and Xu 2020, chapter 21).

    Raises:
        ValueError: one of the arms was planned to be empty.
    """
    planned, total = float(share), treated + control
    if not 0 < planned < 1:
        raise ValueError(f"a planned share lies between 0 and 1, {share} does not")
    if total == 0:
        return SampleRatio(planned, nan, Significance(0.0, 1, 1.0), 1.0, is_mismatched=False)
    p_value = float(stats.binomtest(control, total, planned).pvalue)
    return SampleRatio(
        planned,
        control / total,
        goodness_of_fit([1 - planned, planned], [treated, control]),
        p_value,
        is_mismatched=p_value < limit,
    )


def stratified_balance(strata: Mapping[str, tuple[int, int]]) -> Balance:
    """Compare what two arms are made of, before anybody was contacted.

    Args:
        strata: customers of the treated and of the control arm by stratum; every customer belongs
            to one stratum.
    """
    pair = np.array(list(strata.values()), dtype=float).reshape(-1, 2).T
    if not pair.sum(axis=1).all():
        return Balance((), Significance(0.0, 0, 1.0), None)
    shares = (pair / pair.sum(axis=1, keepdims=True)).T
    found = tuple(
        StratumBalance(name, float(one), float(other), _standardised(float(one), float(other)))
        for name, (one, other) in zip(strata, shares, strict=True)
    )
    return Balance(
        found,
        independence(pooled(pair, FEWEST_EXPECTED)),
        max(found, key=lambda one: abs(one.difference)),
    )


def _check_power(power: float, alpha: float) -> None:
    if not 0 < alpha < power < 1:
        raise ValueError(f"a power lies between alpha and 1, {power} with alpha {alpha} does not")


def _detectable(
    excess: Callable[[float], float], highest: float, reference: float
) -> DetectableEffect:
    """Root of the excess power between no rise and the highest; NaN if the highest is too low."""
    if not (isfinite(highest) and highest > 0 and excess(highest) >= 0):
        return DetectableEffect(nan, nan)
    rise = float(optimize.brentq(excess, 0.0, highest, xtol=1e-14, rtol=1e-12))
    return DetectableEffect(rise, rise / reference if reference else nan)


def _standardised(one: float, other: float) -> float:
    spread = sqrt((one * (1 - one) + other * (1 - other)) / 2)
    return (one - other) / spread if spread > 0 else 0.0
