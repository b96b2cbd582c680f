"""The job that refreshes everything, and the clock that starts it once for every business day."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from orchestration.config import Config

JOB_NAME = "nightly_refresh"
CRON = "15 3 * * *"


def nightly_job(
    selection: dg.AssetSelection, partitions: dg.DailyPartitionsDefinition
) -> UnresolvedAssetJobDefinition:
    """Build the job: feeds, history, checks, publication, in one process: dbt starts once."""
    return dg.define_asset_job(
        JOB_NAME,
        selection=selection,
        partitions_def=partitions,
        executor_def=dg.in_process_executor,
        description="Read the feeds, compute every customer's history, judge it, measure campaigns,"
        " publish it, deliver the audiences.",
        tags={"dagster/max_runtime": 4 * 3600},
    )


def nightly_schedule(
    config: Config,
    job: UnresolvedAssetJobDefinition,
) -> dg.ScheduleDefinition:
    """Build the schedule: at 03:15 local time the day that has just ended is computed.

    A run key per night keeps it to one run where the clocks pass 03:15 twice.
    """

    @dg.schedule(
        name=f"{JOB_NAME}_schedule",
        job=job,
        cron_schedule=CRON,
        execution_timezone=config.business_timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Once for every business day, also when the clocks change.",
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        night = context.scheduled_execution_time.astimezone(
            ZoneInfo(config.business_timezone)
        ).date()
        # Data that no longer grows keeps its last day; its files and rules are read again.
        day = config.as_of or night - timedelta(days=1)
        if day < config.history_start:
            return dg.SkipReason("the first day of history is not over yet")
        return dg.RunRequest(run_key=night.isoformat(), partition_key=day.isoformat())

    return nightly
