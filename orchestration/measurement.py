"""Measures campaigns and audiences: read the aggregates, compare them, write it down.

What is counted is decided by the dbt models of the layer `activation`, how it is compared by
`orchestration.measures`. Only counts and sums come here, never rows of customers.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeVar

from orchestration.measurement_tables import write_rows
from orchestration.measures.campaign_lift import CampaignLift, campaign_lifts
from orchestration.measures.campaigns import Campaign, cell_of
from orchestration.measures.fairness_report import (
    FairnessRow,
    SegmentGroup,
    Selection,
    fairness_rows,
)
from orchestration.measures.holdout_checks import (
    HoldoutCheck,
    holdout_checks,
    mismatched_campaigns,
)
from orchestration.measures.lift import Estimate
from orchestration.overlay import rules_dir
from orchestration.provenance import day_of_tables
from orchestration.rules import read_activation_limits
from orchestration.warehouse import transaction

if TYPE_CHECKING:
    from orchestration.config import Config
    from orchestration.settings import Settings
    from orchestration.warehouse import Session

Row = TypeVar("Row")
# Arms, segments and money scores of some hundred campaigns.
MOST_ROWS = 100_000
AGGREGATES = ("activation_campaigns", "campaign_arms", "fairness_selection", "fairness_segments")


@dataclass(frozen=True)
class Measurement:
    """What was found about campaigns and audiences."""

    lifts: tuple[CampaignLift, ...]
    checks: tuple[HoldoutCheck, ...]
    fairness: tuple[FairnessRow, ...]


def measure(session: Session, settings: Settings, config: Config) -> Measurement:
    """Compare the arms of all campaigns and the groups of all audiences, and write it down.

    Args:
        session: The warehouse, open for writing.
        settings: The installation.
        config: The configuration.

    Raises:
        OriginError: Nobody knows as of which day the tables are.
        RuleFileError: The limits cannot be read.
        WarehouseError: There are more aggregates than a comparison is made for.
    """
    limits = read_activation_limits(rules_dir(settings, config))
    day = day_of_tables(session, session.database)
    campaigns = _rows_of(session, "activation_campaigns", Campaign)
    cells = [cell_of(row) for row in _records(session, "campaign_arms")]
    checks = holdout_checks(day, campaigns, cells, limits)
    lifts = campaign_lifts(day, campaigns, cells, mismatched_campaigns(checks), limits)
    fairness = fairness_rows(
        day,
        _rows_of(session, "fairness_selection", Selection),
        _rows_of(session, "fairness_segments", SegmentGroup),
        limits,
    )
    with transaction(session):
        write_rows(
            session,
            {
                "campaign_lift": [lift_row(lift) for lift in lifts],
                "holdout_checks": [_spread(check) for check in checks],
                "fairness_report": [_spread(row) for row in fairness],
            },
        )
    return Measurement(tuple(lifts), tuple(checks), tuple(fairness))


def lift_row(lift: CampaignLift) -> dict[str, Any]:
    """Turn a comparison into a row of `campaign_lift`."""
    row = _spread(lift)
    return {**row, "relative_lift": None if row["ratio"] is None else row["ratio"] - 1}


def _spread(found: CampaignLift | HoldoutCheck | FairnessRow) -> dict[str, Any]:
    """Spread intervals over columns; NaN and infinity are no numbers for readers."""
    row: dict[str, Any] = {}
    for name, value in vars(found).items():
        if isinstance(value, Estimate):
            row[name] = _finite(value.value)
            row[f"{name}_low"], row[f"{name}_high"] = _finite(value.low), _finite(value.high)
        else:
            row[name] = _finite(value) if isinstance(value, float) else value
    return row


def _finite(number: float) -> float | None:
    return number if isfinite(number) else None


def _rows_of(session: Session, name: str, row_type: type[Row]) -> list[Row]:
    names = tuple(row_type.__annotations__)
    return [
        row_type(**{column: row[column] for column in names}) for row in _records(session, name)
    ]


def _records(session: Session, name: str) -> list[dict[str, Any]]:
    return session.fetch_records(f"select * from activation.{name} order by all", cap=MOST_ROWS)
