"""What campaigns added, by metric and by segment at their start, with a verdict in words.

The comparison of two arms is `orchestration.measures.lift`. Whether the arms may be compared at all
is looked up in what `orchestration.measures.holdout_checks` found.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import TYPE_CHECKING, Literal

from orchestration.measures.campaigns import ALL, arms_of, by_campaign, segments_of
from orchestration.measures.lift import (
    Counts,
    Estimate,
    RateLift,
    Sums,
    mean_lift,
    rate_lift,
    return_on_spend,
)
from orchestration.measures.tables import benjamini_hochberg

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import date
    from decimal import Decimal

    from orchestration.measures.activation_limits import ActivationLimits
    from orchestration.measures.campaigns import Arms, Campaign, Cell, Tally

Metric = Literal["visit", "conversion", "revenue", "retention"]
Verdict = Literal["more", "less", "no_difference", "unknown"]
METRICS: tuple[Metric, ...] = ("visit", "conversion", "revenue", "retention")
VERDICTS: tuple[Verdict, ...] = ("more", "less", "no_difference", "unknown")
NOTHING = Estimate(nan, nan, nan)
# What is missing, in words; {fewest} is the limit.
LACKS = {
    "no_holdout": "nobody is held out of it",
    "mismatched_arms": "other shares are held out than were planned, see holdout_checks",
    "not_over": "its time is not over",
    "too_few_customers": "an arm has too few customers",
    "too_few_successes": "fewer than {successes} of an arm did",
    "too_few_failures": "all but fewer than {successes} of an arm did",
    "too_few_payers": "the money of an arm comes from fewer than {payers} baskets of one size",
}
DID = {
    "visit": "opened or clicked",
    "conversion": "ordered",
    "retention": "ordered again afterwards",
}


@dataclass(frozen=True)
class CampaignLift:
    """One row of `campaign_lift`: what the treated arm did more than the one held out.

    Attributes:
        treated_value: share of customers, or money per customer.
        ratio: of the values, without an interval for money.
        p_adjusted: p-value, corrected for all campaigns or, of segments, all their segments.
        incremental: customers or money that would not have come by themselves.
        cost: of the campaign, with what it brought back; on the row of all its money.
        lack: why nothing can be said, if so.
    """

    as_of_date: date
    campaign_id: str
    audience: str | None
    metric: Metric
    segment: str
    treated_customers: int
    held_out_customers: int
    treated_value: float
    held_out_value: float
    difference: Estimate
    ratio: Estimate
    p_value: float
    incremental: Estimate
    lack: str | None
    p_adjusted: float = nan
    cost: Decimal | None = None
    roas: float = nan
    iroas: Estimate = NOTHING
    verdict: Verdict = "unknown"
    message: str = ""


def campaign_lifts(
    as_of_date: date,
    campaigns: Sequence[Campaign],
    cells: Sequence[Cell],
    mismatched: Collection[str],
    limits: ActivationLimits,
) -> list[CampaignLift]:
    """Compare the arms of every campaign that has begun.

    Args:
        as_of_date: last day that is known.
        campaigns: all of them.
        cells: what their arms did.
        mismatched: campaigns whose arms do not have the shares that were planned.
        limits: from where on a comparison counts.

    Returns:
        A row per campaign, segment and metric, in this order, all segments together first.
    """
    cells_of = by_campaign(cells)
    comparison = _Comparison(as_of_date, mismatched, limits)
    found = []
    for campaign in campaigns:
        if not campaign.is_measured or campaign.started_on > as_of_date:
            continue
        own = cells_of[campaign.campaign_id]
        for segment in (ALL, *segments_of(own)):
            arms = arms_of(own, segment=segment)
            found += [comparison.of_metric(metric, campaign, segment, arms) for metric in METRICS]
    return [_told(row, limits) for row in _adjusted(found)]


@dataclass(frozen=True)
class _Comparison:
    """What the rows of all campaigns have in common."""

    as_of_date: date
    mismatched: Collection[str]
    limits: ActivationLimits

    def of_metric(
        self, metric: Metric, campaign: Campaign, segment: str, arms: Arms
    ) -> CampaignLift:
        """Compare the arms, and say what stands in the way of a verdict."""
        last_day = campaign.retained_to if metric == "retention" else campaign.ended_on
        obstacle = None
        if not campaign.planned_share:
            obstacle = "no_holdout"
        elif campaign.campaign_id in self.mismatched:
            obstacle = "mismatched_arms"
        elif last_day > self.as_of_date:
            obstacle = "not_over"
        row = (
            self._of_money(campaign, segment, arms)
            if metric == "revenue"
            else self._of_rates(metric, campaign, segment, arms)
        )
        return replace(row, lack=obstacle or row.lack)

    def _of_rates(
        self, metric: Metric, campaign: Campaign, segment: str, arms: Arms
    ) -> CampaignLift:
        treated, held_out = (_counts(metric, arm) for arm in arms)
        fewest = int(self.limits.fewest_successes)
        lift = rate_lift(treated, held_out, fewest=fewest, confidence=1 - float(self.limits.alpha))
        return CampaignLift(
            as_of_date=self.as_of_date,
            campaign_id=campaign.campaign_id,
            audience=campaign.audience,
            metric=metric,
            segment=segment,
            treated_customers=treated.customers,
            held_out_customers=held_out.customers,
            treated_value=treated.rate,
            held_out_value=held_out.rate,
            difference=lift.difference,
            ratio=lift.ratio,
            p_value=lift.p_value,
            incremental=lift.incremental,
            lack=_lack_of_visits(lift, fewest) if metric == "visit" else lift.lack,
        )

    def _of_money(self, campaign: Campaign, segment: str, arms: Arms) -> CampaignLift:
        treated, held_out = (Sums(arm.customers, arm.revenue, arm.revenue_squares) for arm in arms)
        fewest = int(self.limits.fewest_payers)
        lift = mean_lift(treated, held_out, fewest=fewest, confidence=1 - float(self.limits.alpha))
        ratio = treated.mean / held_out.mean if held_out.mean > 0 else nan
        row = CampaignLift(
            as_of_date=self.as_of_date,
            campaign_id=campaign.campaign_id,
            audience=campaign.audience,
            metric="revenue",
            segment=segment,
            treated_customers=treated.customers,
            held_out_customers=held_out.customers,
            treated_value=treated.mean,
            held_out_value=held_out.mean,
            difference=lift.difference,
            ratio=Estimate(ratio, nan, nan),
            p_value=lift.p_value,
            incremental=lift.incremental,
            lack=lift.lack,
        )
        if segment != ALL or campaign.cost is None:
            return row
        spend = return_on_spend(lift, campaign.cost)
        return replace(row, cost=campaign.cost, roas=spend.attributed, iroas=spend.incremental)


def _counts(metric: Metric, arm: Tally) -> Counts:
    successes = {"visit": arm.visitors, "conversion": arm.converters, "retention": arm.retained}
    return Counts(arm.customers, successes[metric])


def _lack_of_visits(lift: RateLift, fewest: int) -> str | None:
    """Tell whether visits are too few: who got no message cannot open it, so 0 there is no lack."""
    arms = (lift.treated, lift.control)
    if not min(arm.customers for arm in arms):
        return "too_few_customers"
    rate = sum(arm.successes for arm in arms) / sum(arm.customers for arm in arms)
    smaller = min(arm.customers for arm in arms)
    if smaller * rate < fewest:
        return "too_few_successes"
    return "too_few_failures" if smaller * (1 - rate) < fewest else None


def _adjusted(rows: Sequence[CampaignLift]) -> list[CampaignLift]:
    """Correct the p-values that somebody reads side by side, those of a metric, together."""
    families: dict[tuple[str, bool], list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        if row.lack is None and isfinite(row.p_value):
            families[row.metric, row.segment == ALL].append(place)
    found = list(rows)
    for places in families.values():
        corrected = benjamini_hochberg([rows[place].p_value for place in places])
        for place, p_adjusted in zip(places, corrected, strict=True):
            found[place] = replace(rows[place], p_adjusted=p_adjusted)
    return found


def _told(row: CampaignLift, limits: ActivationLimits) -> CampaignLift:
    verdict: Verdict = "unknown"
    if row.lack is None and isfinite(row.p_adjusted):
        verdict = "no_difference"
        if row.p_adjusted < limits.alpha:
            verdict = "more" if row.difference.value > 0 else "less"
    return replace(row, verdict=verdict, message=" ".join(_sentences(row, verdict, limits)))


def _sentences(row: CampaignLift, verdict: Verdict, limits: ActivationLimits) -> Iterator[str]:
    if isfinite(row.treated_value) and isfinite(row.held_out_value):
        yield _values(row)
    if verdict == "more":
        yield "The campaign brought it about."
    elif verdict == "less":
        yield "The campaign did harm."
    elif verdict == "no_difference":
        yield "Chance explains it."
    else:
        words = LACKS.get(row.lack or "", "nothing varies")
        told = words.format(successes=limits.fewest_successes, payers=limits.fewest_payers)
        yield f"Nothing can be said: {told}."
    if isfinite(row.iroas.value):
        low, high = row.iroas.low, row.iroas.high
        within = f" ({low:.2f} to {high:.2f})" if isfinite(low) else ""
        yield f"A unit of money spent brought back {row.iroas.value:.2f}{within}."


def _values(row: CampaignLift) -> str:
    """Say what both arms did and how far apart they are."""
    is_money = row.metric == "revenue"
    scale, unit = (1, "per customer") if is_money else (100, "points")
    change = row.difference
    sign = "more" if change.value >= 0 else "less"
    bounds = [change.low, change.high] if change.value >= 0 else [-change.high, -change.low]
    within = ""
    if all(map(isfinite, bounds)):
        within = " ({:.2f} to {:.2f})".format(*(scale * bound for bound in bounds))
    times = f", {row.ratio.value:.2f} times" if isfinite(row.ratio.value) else ""
    apart = f"{scale * abs(change.value):.2f} {unit} {sign}{within}{times}."
    if is_money:
        return (
            f"{row.treated_value:.2f} of each of {row.treated_customers:,} treated,"
            f" {row.held_out_value:.2f} of each of {row.held_out_customers:,} held out: {apart}"
        )
    return (
        f"{row.treated_value:.2%} of {row.treated_customers:,} treated and"
        f" {row.held_out_value:.2%} of {row.held_out_customers:,} held out {DID[row.metric]}:"
        f" {apart}"
    )
