"""What a campaign added: two arms of customers compared by intention to treat, from sums alone.

An arm holds everybody assigned to it, reached or not, so that nothing but the assignment differs.
How arms are assigned, how large they must be and whether they came out as planned is in
`orchestration.measures.holdout`. Who compares many campaigns corrects the p-values together, with
`orchestration.measures.tables.benjamini_hochberg`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import copysign, exp, inf, isfinite, log, nan, sqrt
from typing import TYPE_CHECKING, Literal

from scipy import optimize, special

from orchestration.measures.tables import two_proportions

if TYPE_CHECKING:
    from decimal import Decimal

# Why numbers are not to be relied upon.
Lack = Literal["too_few_customers", "too_few_successes", "too_few_failures", "too_few_payers"]


@dataclass(frozen=True)
class Counts:
    """An arm and how many of its customers did what was hoped for.

    Raises:
        ValueError: the successes are not among the customers.
    """

    customers: int
    successes: int

    def __post_init__(self) -> None:
        if not 0 <= self.successes <= self.customers:
            raise ValueError(f"{self.successes} successes of {self.customers} customers")

    @property
    def rate(self) -> float:
        """Share of successes; NaN for an arm without customers."""
        return self.successes / self.customers if self.customers else nan


@dataclass(frozen=True)
class Sums:
    """An arm, the sum of an amount over its customers and the sum of its squares.

    Customers without the amount count with 0. Sums that are decimals give the variance without
    loss, however large the amounts are beside their spread.

    Raises:
        ValueError: no amounts have these sums.
    """

    customers: int
    total: Decimal | float
    squares: Decimal | float

    def __post_init__(self) -> None:
        if self.customers < 0 or Fraction(self.squares) < 0:
            raise ValueError(f"{self.customers} customers, sum of squares {self.squares}")
        if self.customers == 0 and (self.total or self.squares):
            raise ValueError("sums without customers")
        # Sums of floating point numbers may miss each other by their rounding.
        if self._deviations() < -Fraction(self.squares) / 10**9:
            raise ValueError("the sum of squares is too small for the sum")

    @property
    def mean(self) -> float:
        """Amount per customer; NaN for an arm without customers."""
        return float(Fraction(self.total) / self.customers) if self.customers else nan

    @property
    def variance(self) -> float:
        """Sample variance; NaN for less than two customers."""
        if self.customers < 2:
            return nan
        return float(max(self._deviations(), Fraction(0)) / (self.customers - 1))

    @property
    def payers(self) -> float:
        """Number of equal payers that would give the same sums: (sum x)^2 / sum x^2.

        Hill's number of order two (1973). One great basket among many small ones brings it down
        to one, which is when a mean says little.
        """
        if not self.squares:
            return 0.0
        return float(Fraction(self.total) ** 2 / Fraction(self.squares))

    def _deviations(self) -> Fraction:
        if self.customers == 0:
            return Fraction(0)
        return Fraction(self.squares) - Fraction(self.total) ** 2 / self.customers


@dataclass(frozen=True)
class Estimate:
    """A number and the interval that holds it; NaN where there is nothing to estimate from."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> Estimate:
        """The same in units of a positive factor."""
        return Estimate(self.value * factor, self.low * factor, self.high * factor)


@dataclass(frozen=True)
class RateLift:
    """What the treated arm did more often than the control arm.

    Attributes:
        treated: the arm that was to be contacted.
        control: the arm that was to be left alone.
        difference: of the rates.
        ratio: of the rates; infinite if only the treated arm has successes.
        p_value: two-sided, that the rates are equal. It belongs to the interval of the ratio.
        lack: why the numbers are not to be relied upon, if so.
    """

    treated: Counts
    control: Counts
    difference: Estimate
    ratio: Estimate
    p_value: float
    lack: Lack | None

    @property
    def incremental(self) -> Estimate:
        """Successes of the treated arm that would not have come by themselves."""
        return self.difference.times(self.treated.customers)


@dataclass(frozen=True)
class MeanLift:
    """What a customer of the treated arm spent more than one of the control arm.

    Attributes:
        treated: the arm that was to be contacted.
        control: the arm that was to be left alone.
        difference: of the amounts per customer.
        df: degrees of freedom of the interval.
        p_value: two-sided, that the means are equal.
        lack: why the numbers are not to be relied upon, if so.
    """

    treated: Sums
    control: Sums
    difference: Estimate
    df: float
    p_value: float
    lack: Lack | None

    @property
    def incremental(self) -> Estimate:
        """Amount that the treated arm would not have brought by itself."""
        return self.difference.times(self.treated.customers)


@dataclass(frozen=True)
class ReturnOnSpend:
    """What came back of a unit of money spent on a campaign.

    Attributes:
        attributed: revenue of the treated arm over cost (ROAS), most of which would have come
            anyway.
        incremental: revenue that would not have come by itself over cost (iROAS).
    """

    attributed: float
    incremental: Estimate


def wilson(counts: Counts, *, confidence: float = 0.95) -> Estimate:
    """Score interval of a rate (Wilson 1927), which stays within 0 and 1.

    Args:
        counts: the arm.
        confidence: of the interval, two-sided.
    """
    n, rate = counts.customers, counts.rate
    if n == 0:
        return Estimate(nan, nan, nan)
    z = _quantile(confidence)
    middle = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    return Estimate(rate, min(max(middle - half, 0.0), rate), max(min(middle + half, 1.0), rate))


def rate_difference(treated: Counts, control: Counts, *, confidence: float = 0.95) -> Estimate:
    """Difference of two rates with the hybrid score interval of Newcombe (1998), his method 10.

    The distances of both rates from the limits of their Wilson intervals are added as squares, so
    the interval stays within -1 and 1 and is there for arms without successes too.

    Args:
        treated: the arm whose rate comes first.
        control: the arm whose rate is taken away.
        confidence: of the interval, two-sided.
    """
    one, other = (wilson(arm, confidence=confidence) for arm in (treated, control))
    value = one.value - other.value
    down = sqrt((one.value - one.low) ** 2 + (other.high - other.value) ** 2)
    up = sqrt((one.high - one.value) ** 2 + (other.value - other.low) ** 2)
    return Estimate(value, value - down, value + up)


def rate_ratio(treated: Counts, control: Counts, *, confidence: float = 0.95) -> Estimate:
    """Ratio of two rates with the asymptotic score interval of Koopman (1984).

    The ratios that a score test does not reject. Unlike the logarithmic interval of Katz et al.
    (1978) it is there for arms without successes too, and it holds 1 exactly if the pooled z test
    does not reject equal rates. Fagerland, Lydersen and Laake (2015) recommend it. Miettinen and
    Nurminen (1985) widen the variance by n / (n - 1), which no arm of a campaign would notice.

    Args:
        treated: the arm whose rate is divided.
        control: the arm by whose rate it is divided.
        confidence: of the interval, two-sided.

    Returns:
        The ratio; infinite if only the treated arm has successes, NaN within 0 and infinity if
        none has.
    """
    if treated.customers == 0 or control.customers == 0:
        return Estimate(nan, nan, nan)
    z = _quantile(confidence)
    low = _lowest_ratio(treated, control, z)
    inverse = _lowest_ratio(control, treated, z)
    return Estimate(_ratio(treated, control), low, 1 / inverse if inverse else inf)


def rate_lift(
    treated: Counts, control: Counts, *, fewest: int, confidence: float = 0.95
) -> RateLift:
    """Compare the rates of two arms by intention to treat.

    Args:
        treated: everybody who was to be contacted.
        control: everybody who was to be left alone.
        fewest: successes, and failures, without which an arm is said to lack them.
        confidence: of the intervals, two-sided.

    Returns:
        Difference and ratio with their intervals. They are given, and hold, for few successes too.
    """
    if treated.customers == 0 or control.customers == 0:
        nothing = Estimate(nan, nan, nan)
        return RateLift(treated, control, nothing, nothing, nan, "too_few_customers")
    return RateLift(
        treated,
        control,
        rate_difference(treated, control, confidence=confidence),
        rate_ratio(treated, control, confidence=confidence),
        two_proportions(treated.successes, treated.customers, control.successes, control.customers),
        _lack_of_counts((treated, control), fewest),
    )


def mean_lift(treated: Sums, control: Sums, *, fewest: int, confidence: float = 0.95) -> MeanLift:
    """Compare amounts per customer of two arms by intention to treat, with Welch's test (1947).

    Args:
        treated: everybody who was to be contacted.
        control: everybody who was to be left alone.
        fewest: payers, as `Sums.payers` counts them, without which an arm is said to lack them.
        confidence: of the interval, two-sided.

    Returns:
        The difference with its interval; without an interval if no amount varies.
    """
    if min(treated.customers, control.customers) < 2:
        difference = Estimate(treated.mean - control.mean, nan, nan)
        return MeanLift(treated, control, difference, nan, nan, "too_few_customers")
    lack: Lack | None = "too_few_payers" if min(treated.payers, control.payers) < fewest else None
    value = treated.mean - control.mean
    one, other = (arm.variance / arm.customers for arm in (treated, control))
    if one + other == 0:
        return MeanLift(treated, control, Estimate(value, nan, nan), nan, nan, lack)
    df = (one + other) ** 2 / (
        one**2 / (treated.customers - 1) + other**2 / (control.customers - 1)
    )
    error = sqrt(one + other)
    half = float(special.stdtrit(df, (1 + confidence) / 2)) * error
    p_value = 2 * float(special.stdtr(df, -abs(value) / error))
    return MeanLift(
        treated, control, Estimate(value, value - half, value + half), df, p_value, lack
    )


def return_on_spend(lift: MeanLift, cost: Decimal | float) -> ReturnOnSpend:
    """Divide the revenue of a campaign, all of it and what it added, by what it cost.

    Args:
        lift: of the revenue per customer.
        cost: of contacting the treated arm, known without error, in the unit of the revenue.

    Returns:
        Both ratios; NaN for a campaign without cost.

    Raises:
        ValueError: the cost is negative.
    """
    if cost < 0:
        raise ValueError("a campaign cannot cost less than nothing")
    if not cost:
        return ReturnOnSpend(nan, Estimate(nan, nan, nan))
    return ReturnOnSpend(
        float(lift.treated.total) / float(cost), lift.incremental.times(1 / float(cost))
    )


def _quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence lies between 0 and 1, {confidence} does not")
    return float(special.ndtri((1 + confidence) / 2))


def _lack_of_counts(arms: tuple[Counts, Counts], fewest: int) -> Lack | None:
    if min(arm.successes for arm in arms) < fewest:
        return "too_few_successes"
    if min(arm.customers - arm.successes for arm in arms) < fewest:
        return "too_few_failures"
    return None


def _ratio(one: Counts, other: Counts) -> float:
    if other.successes:
        return one.rate / other.rate
    return inf if one.successes else nan


def _lowest_ratio(one: Counts, other: Counts, z: float) -> float:
    """Lower limit of the score interval; 0 without successes in the first arm."""
    if one.successes == 0:
        return 0.0
    found = _ratio(one, other)
    high = log(found) if isfinite(found) else 0.0
    # The score falls as the ratio grows, from infinity to z and on to 0 at the ratio found.
    while _score(high, one, other) > z:
        high += 1
    low = high - 1
    while _score(low, one, other) <= z:
        low -= 1
    root = optimize.brentq(
        lambda logarithm: _score(logarithm, one, other) - z, low, high, xtol=1e-14, rtol=1e-14
    )
    return exp(float(root))


def _score(logarithm: float, one: Counts, other: Counts) -> float:
    """Score statistic of a ratio of rates (Miettinen and Nurminen 1985, without n / (n - 1)).

    Args:
        logarithm: of the ratio.
        one: the arm whose rate is divided.
        other: the arm by whose rate it is divided.
    """
    ratio = exp(logarithm)
    n, m = one.customers, other.customers
    # Rate of the other arm that is most likely if the ratio holds: a root of a quadratic equation,
    # written so that nothing cancels.
    a = (n + m) * ratio
    b = n * ratio + one.successes + m + other.successes * ratio
    c = one.successes + other.successes
    rate = min(2 * c / (b + sqrt(max(b * b - 4 * a * c, 0.0))), 1.0, 1 / ratio)
    variance = ratio * rate * (1 - ratio * rate) / n + ratio**2 * rate * (1 - rate) / m
    difference = one.rate - ratio * other.rate
    if difference == 0:
        return 0.0
    return difference / sqrt(variance) if variance > 0 else copysign(inf, difference)
