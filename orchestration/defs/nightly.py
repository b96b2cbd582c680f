"""The job that refreshes everything, and the clock that starts it once for every business day."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from orchestration.config import Config

JOB_NAME = "nightly_refresh"
# After every change of the clocks in the zones of Europe and America.
CRON = "15 3 * * *"


def nightly_job(
    selection: dg.AssetSelection, partitions: dg.DailyPartitionsDefinition
) -> UnresolvedAssetJobDefinition:
    """Build the job: feeds, history, publication, in one process so that dbt starts once."""
    return dg.define_asset_job(
        JOB_NAME,
        selection=selection,
        partitions_def=partitions,
        executor_def=dg.in_process_executor,
        description="Read the feeds, compute every customer's history, test it, publish it.",
        tags={"dagster/max_runtime": 4 * 3600},
    )


def nightly_schedule(
    config: Config,
    job: UnresolvedAssetJobDefinition,
    partitions: dg.DailyPartitionsDefinition,
) -> dg.ScheduleDefinition:
    """Build the schedule: at 03:15 local time the day that has just ended is computed."""

    @dg.schedule(
        name=f"{JOB_NAME}_schedule",
        job=job,
        cron_schedule=CRON,
        execution_timezone=config.business_timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Once for every business day, also when the clocks change.",
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        tick = context.scheduled_execution_time
        # Data that no longer grows keeps its last day; its files and rules are read again.
        key = config.as_of.isoformat() if config.as_of else partitions.get_last_partition_key(tick)
        if key is None:
            return dg.SkipReason("the first day of history is not over yet")
        return dg.RunRequest(run_key=f"{tick.date()}", partition_key=key)

    return nightly
