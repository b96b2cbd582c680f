"""The days of the business: one partition per as-of date, from the first day of history.

Dagster reads the clock to know which of them are complete; nothing else in the project does.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from orchestration.config import Config


def business_days(config: Config) -> dg.DailyPartitionsDefinition:
    """Declare the as-of dates: a day is there once it is over in the business time zone."""
    return dg.DailyPartitionsDefinition(
        start_date=config.history_start.isoformat(), timezone=config.business_timezone
    )


def last_complete_day(partitions: dg.DailyPartitionsDefinition) -> date | None:
    """Return the newest day that is over; None before the first day of history is."""
    key = partitions.get_last_partition_key()
    return None if key is None else date.fromisoformat(key)


def day_of_run(context: dg.AssetExecutionContext) -> date:
    """Return the as-of date of a run: the last day of the range it was asked for."""
    return date.fromisoformat(context.partition_key_range.end)
