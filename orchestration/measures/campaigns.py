"""Campaigns and what their arms did, as counts and sums of many customers, never of one.

They are counted by the model `campaign_arms`. What the arms differ by is said in
`orchestration.measures.campaign_lift`, whether they may be compared in
`orchestration.measures.holdout_checks`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

Period = Literal["campaign", "before"]
ALL = "all"
# The label of customers without an order, who are in no segment.
NO_SEGMENT = "none"


@dataclass(frozen=True)
class Campaign:
    """One row of `activation_campaigns`.

    Attributes:
        is_measured: its audience is in force and can be told of a past day.
        retained_to: last day of the time after the campaign that is as long as it was.
        planned_share: of its audience that is held out; 0 where nobody is.
    """

    campaign_id: str
    audience: str | None
    is_measured: bool
    started_on: date
    ended_on: date
    retained_to: date
    days: int
    cost: Decimal | None
    planned_share: float


@dataclass(frozen=True)
class Tally:
    """What some customers did, all of them counted by intention to treat.

    Attributes:
        customers: everybody assigned.
        contacted: of them, got a message.
        visitors: of them, opened or clicked.
        converters: of them, ordered.
        orders: their orders.
        revenue: their money.
        revenue_squares: sum of the squares of each customer's money.
        retained: of the customers, ordered in the time after.
    """

    customers: int = 0
    contacted: int = 0
    visitors: int = 0
    converters: int = 0
    orders: int = 0
    revenue: Decimal = Decimal(0)
    revenue_squares: Decimal = Decimal(0)
    retained: int = 0

    def __add__(self, other: Tally) -> Tally:
        """What both did."""
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in TALLIED})


TALLIED = tuple(part.name for part in fields(Tally))


class Arms(NamedTuple):
    """Both arms of a campaign."""

    treated: Tally
    held_out: Tally


@dataclass(frozen=True)
class Cell:
    """One row of `campaign_arms`: an arm's customers of one segment and money score."""

    campaign_id: str
    period: Period
    arm: Literal["treated", "held_out"]
    segment: str
    m_score: int | None
    tally: Tally


def cell_of(row: Mapping[str, Any]) -> Cell:
    """Read one row of `campaign_arms`."""
    return Cell(
        row["campaign_id"],
        row["period"],
        row["arm"],
        row["segment"] or NO_SEGMENT,
        row["m_score"],
        Tally(**{name: row[name] for name in TALLIED}),
    )


def by_campaign(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    """Sort cells by campaign; one without cells has none."""
    found: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        found[cell.campaign_id].append(cell)
    return found


def arms_of(cells: Iterable[Cell], period: Period = "campaign", segment: str = ALL) -> Arms:
    """Add up the arms of one campaign's cells, of one segment at its start or of all."""
    found = {"treated": Tally(), "held_out": Tally()}
    for cell in cells:
        if cell.period == period and segment in {ALL, cell.segment}:
            found[cell.arm] += cell.tally
    return Arms(found["treated"], found["held_out"])


def segments_of(cells: Iterable[Cell]) -> list[str]:
    """List the segments that one campaign met at its start."""
    return sorted({cell.segment for cell in cells if cell.period == "campaign"})
