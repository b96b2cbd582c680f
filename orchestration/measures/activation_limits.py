"""From where on comparisons count and how far logs reach: the limits of activation as plain values.

Reading the file is `orchestration.rules`; what the limits are held against is computed in
`orchestration.measures.campaign_lift`, `holdout_checks` and `fairness_report`. The days that logs
reach back are used by the models `activation_steps` and `channel_responses`, and only judged here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

SHARES = ("alpha", "power", "sample_ratio_p", "selection_ratio", "proxy_association")
COUNTS = (
    *("fewest_successes", "fewest_payers", "fewest_in_group", "smallest_shown"),
    *("events_days", "responses_days", "youngest_for_ads"),
)


@dataclass(frozen=True)
class Limit:
    """One row of `activation_limits`."""

    name: str
    value: Decimal
    reason: str


@dataclass(frozen=True)
class ActivationLimits:
    """All limits of activation.

    Attributes:
        alpha: probability of calling a campaign effective that is not, two-sided.
        power: probability with which a holdout should find the smallest lift.
        smallest_lift: relative rise that is worth finding.
        fewest_successes: of each arm, and as many failures, from which on rates are compared.
        fewest_payers: of each arm, as `Sums.payers` counts them, likewise for money.
        sample_ratio_p: p-value below which arms do not have the shares that were planned.
        imbalance: standardised difference of a stratum from which on arms differ.
        fewest_in_group: people without which a group is not judged.
        smallest_shown: number of people below which a count is hidden.
        selection_ratio: share of the highest rate below which a group is passed over.
        proxy_association: Cramer's V from which on segments stand in for an attribute.
        youngest_for_ads: years of age from which on somebody may be in a list for ads.
        events_days: days of the log of who entered and left audiences.
        responses_days: days whose messages channels are judged by.

    Raises:
        ValueError: a limit lies where it cannot.
    """

    alpha: Decimal
    power: Decimal
    smallest_lift: Decimal
    fewest_successes: Decimal
    fewest_payers: Decimal
    sample_ratio_p: Decimal
    imbalance: Decimal
    fewest_in_group: Decimal
    smallest_shown: Decimal
    selection_ratio: Decimal
    proxy_association: Decimal
    youngest_for_ads: Decimal
    events_days: Decimal
    responses_days: Decimal

    def __post_init__(self) -> None:
        for name in SHARES:
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} lies between 0 and 1")
        if not self.alpha < self.power:
            raise ValueError("power lies above alpha")
        for name in ("smallest_lift", "imbalance"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} lies above 0")
        for name in COUNTS:
            value = getattr(self, name)
            if not value >= 1 or value % 1:
                raise ValueError(f"{name} is a whole number from 1 on")


def limits_of(rows: Sequence[Limit]) -> ActivationLimits:
    """Gather the rows of the table.

    Raises:
        ValueError: a limit is missing, stands twice, is not known, or lies where it cannot.
    """
    given = [row.name for row in rows]
    known = [part.name for part in fields(ActivationLimits)]
    for what, names in (
        ("is missing", [name for name in known if name not in given]),
        ("is no limit", [name for name in given if name not in known]),
        ("stands there twice", [name for name in known if given.count(name) > 1]),
    ):
        if names:
            raise ValueError(f"{names[0]} {what}")
    return ActivationLimits(**{row.name: row.value for row in rows})
