"""Whether the arms of campaigns are what was planned, alike, large enough and kept apart.

The formulas are `orchestration.measures.holdout`, what the arms differ by at the end is said in
`orchestration.measures.campaign_lift`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from math import isfinite, nan, sqrt
from typing import TYPE_CHECKING, Literal

from orchestration.measures.campaigns import Arms, arms_of, by_campaign
from orchestration.measures.holdout import (
    DetectableEffect,
    detectable_mean,
    detectable_rate,
    power_of_means,
    power_of_rates,
    sample_ratio,
    stratified_balance,
)
from orchestration.measures.lift import Sums

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from orchestration.measures.activation_limits import ActivationLimits
    from orchestration.measures.campaigns import Campaign, Cell, Tally

CheckName = Literal["sample_ratio", "balance", "power", "contacts"]
Verdict = Literal["pass", "warn", "unknown"]
CHECKS: tuple[CheckName, ...] = ("sample_ratio", "balance", "power", "contacts")
VERDICTS: tuple[Verdict, ...] = ("pass", "warn", "unknown")


@dataclass(frozen=True)
class HoldoutCheck:
    """One row of `holdout_checks`.

    Attributes:
        subject: the arms, an arm, a metric, or the stratum that differs most.
        expected: share that was planned, or rate or money to expect without the message.
        found: share that there is, or the power to find the smallest lift worth finding.
        effect: standardised difference, or the smallest rise that is found.
        relative_effect: that rise over what is to be expected.
        threshold: what the verdict is held against.
    """

    as_of_date: date
    campaign_id: str
    audience: str | None
    check_name: CheckName
    subject: str
    treated_customers: int
    held_out_customers: int
    verdict: Verdict
    message: str
    expected: float = nan
    found: float = nan
    effect: float = nan
    relative_effect: float = nan
    p_value: float = nan
    threshold: float = nan


def holdout_checks(
    as_of_date: date,
    campaigns: Sequence[Campaign],
    cells: Sequence[Cell],
    limits: ActivationLimits,
) -> list[HoldoutCheck]:
    """Check the arms of every campaign, planned ones included.

    Args:
        as_of_date: last day that is known.
        campaigns: all of them.
        cells: what their arms did, and what the same audience did before.
        limits: from where on something counts.

    Returns:
        The checks by campaign; of one that cannot be measured a single one that says so.
    """
    cells_of = by_campaign(cells)
    found: list[HoldoutCheck] = []
    for campaign in campaigns:
        own = cells_of[campaign.campaign_id]
        judge = _Judge(as_of_date, campaign, arms_of(own), limits)
        obstacle = judge.obstacle()
        if obstacle is not None:
            found.append(obstacle)
            continue
        found.append(judge.sample_ratio())
        found.append(judge.balance(own))
        found += judge.powers(arms_of(own, "before"))
        if campaign.started_on <= as_of_date:
            found += judge.contacts()
    return found


def mismatched_campaigns(checks: Sequence[HoldoutCheck]) -> set[str]:
    """Name the campaigns whose arms do not have the shares that were planned."""
    return {
        check.campaign_id
        for check in checks
        if check.check_name == "sample_ratio" and check.verdict == "warn"
    }


@dataclass(frozen=True)
class _Judge:
    """One campaign and the limits that it is held against."""

    as_of_date: date
    campaign: Campaign
    arms: Arms
    limits: ActivationLimits
    sizes: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", tuple(arm.customers for arm in self.arms))

    def obstacle(self) -> HoldoutCheck | None:
        """Say why a campaign cannot be measured at all, if so."""
        reason = None
        if self.campaign.audience is None:
            reason = "The campaign names no audience, so nobody knows whom it was for."
        elif not self.campaign.is_measured:
            reason = (
                f"The audience {self.campaign.audience} cannot be told of a past day: it is not in"
                " force, or about what lay ahead."
            )
        elif not 0 < self.campaign.planned_share < 1:
            reason = "Nobody is held out of it: add its audience to holdouts."
        elif not sum(self.sizes):
            reason = "The audience described nobody on the first day who could be written to."
        return None if reason is None else self._check("sample_ratio", "arms", "unknown", reason)

    def sample_ratio(self) -> HoldoutCheck:
        """Compare the share of the arm held out with the plan."""
        limit = float(self.limits.sample_ratio_p)
        ratio = sample_ratio(*self.sizes, self.campaign.planned_share, limit=limit)
        told = f"{ratio.found:.2%} are held out, {ratio.planned:.2%} were planned"
        return self._check(
            "sample_ratio",
            "arms",
            "warn" if ratio.is_mismatched else "pass",
            f"{told}: chance does not explain it, so no comparison may be believed."
            if ratio.is_mismatched
            else f"{told}.",
            expected=ratio.planned,
            found=ratio.found,
            p_value=ratio.p_value,
            threshold=limit,
        )

    def balance(self, cells: Sequence[Cell]) -> HoldoutCheck:
        """Compare what the arms were made of on the first day, by segment and money score."""
        strata: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for cell in cells:
            if cell.period == "campaign":
                name = cell.segment if cell.m_score is None else f"{cell.segment} {cell.m_score}"
                strata[name][cell.arm == "held_out"] += cell.tally.customers
        balance = stratified_balance({name: (a, b) for name, (a, b) in sorted(strata.items())})
        if balance.worst is None:
            return self._check("balance", "strata", "unknown", "An arm is empty.")
        worst, limit = balance.worst, float(self.limits.imbalance)
        # Small arms differ by chance beyond every limit.
        is_off = abs(worst.difference) > limit and balance.test.p_value < self.limits.alpha
        return self._check(
            "balance",
            worst.stratum,
            "warn" if is_off else "pass",
            f"{worst.stratum} makes {worst.treated:.2%} of the treated and {worst.control:.2%} of"
            f" those held out, {worst.difference:+.2f} standard deviations;"
            f" {'the arms differ' if is_off else 'no more than chance explains'}.",
            expected=worst.treated,
            found=worst.control,
            effect=worst.difference,
            p_value=balance.test.p_value,
            threshold=limit,
        )

    def powers(self, before: Arms) -> Iterator[HoldoutCheck]:
        """Say which effect the arms can show, going by the same audience one campaign earlier."""
        people = before.treated + before.held_out
        if not people.customers:
            reason = "The audience was empty so many days earlier: nothing to go by."
            for subject in ("conversion", "revenue"):
                yield self._check("power", subject, "unknown", reason)
            return
        yield self._power_of_conversion(people)
        yield self._power_of_revenue(people)

    def contacts(self) -> Iterator[HoldoutCheck]:
        """Look whether the message went to whom it was for, and to nobody who was held out."""
        treated, held_out = self.arms
        reached = treated.contacted / treated.customers if treated.customers else nan
        yield self._check(
            "contacts",
            "treated",
            "pass" if treated.contacted else "unknown",
            f"{treated.contacted:,} of {treated.customers:,} treated got the message; all count.",
            found=reached,
        )
        share = held_out.contacted / held_out.customers if held_out.customers else nan
        yield self._check(
            "contacts",
            "held_out",
            "warn" if held_out.contacted else "pass",
            f"{held_out.contacted:,} of {held_out.customers:,} held out got the message"
            + (", which makes the difference smaller than it is." if held_out.contacted else "."),
            expected=0.0,
            found=share,
        )

    def _power_of_conversion(self, before: Tally) -> HoldoutCheck:
        rate = before.converters / before.customers
        alpha, power = float(self.limits.alpha), float(self.limits.power)
        raised = min(rate * (1 + float(self.limits.smallest_lift)), 1.0)
        return self._power(
            "conversion",
            rate,
            power_of_rates(raised, rate, *self.sizes, alpha=alpha),
            detectable_rate(rate, *self.sizes, power=power, alpha=alpha),
        )

    def _power_of_revenue(self, before: Tally) -> HoldoutCheck:
        sums = Sums(before.customers, before.revenue, before.revenue_squares)
        deviation = sqrt(sums.variance) if sums.customers > 1 else nan
        if not deviation > 0:
            return self._check("power", "revenue", "unknown", "The money before did not vary.")
        alpha, power = float(self.limits.alpha), float(self.limits.power)
        rise = sums.mean * float(self.limits.smallest_lift)
        return self._power(
            "revenue",
            sums.mean,
            power_of_means(rise, deviation, deviation, *self.sizes, alpha=alpha),
            detectable_mean(sums.mean, deviation, deviation, *self.sizes, power=power, alpha=alpha),
        )

    def _power(
        self, subject: str, expected: float, power: float, smallest: DetectableEffect
    ) -> HoldoutCheck:
        wanted, lift = float(self.limits.power), float(self.limits.smallest_lift)
        base = f"{expected:.2%}" if subject == "conversion" else f"{expected:.2f} per customer"
        if not expected > 0:
            verdict: Verdict = "unknown"
            told = "nobody did before, so a rise in proportion means nothing"
        else:
            verdict = "pass" if power >= wanted else "warn"
            told = f"a rise by {lift:.0%} is found with a probability of {power:.0%}"
        if isfinite(smallest.relative):
            told += f", one by {smallest.relative:.0%} with {wanted:.0%}"
        elif not isfinite(smallest.absolute):
            told += "; no rise is found as surely as it should be"
        return self._check(
            "power",
            subject,
            verdict,
            f"{base} is to be expected without the message: {told}.",
            expected=expected,
            found=power,
            effect=smallest.absolute,
            relative_effect=smallest.relative,
            threshold=wanted,
        )

    def _check(
        self, name: CheckName, subject: str, verdict: Verdict, message: str, **numbers: float
    ) -> HoldoutCheck:
        return HoldoutCheck(
            self.as_of_date,
            self.campaign.campaign_id,
            self.campaign.audience,
            name,
            subject,
            *self.sizes,
            verdict,
            message,
            **numbers,
        )
