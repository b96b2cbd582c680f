"""The first step: the files that are configured as feeds are mirrored into the warehouse.

How a file is read, and when it is refused, is in `orchestration.feeds`; what its rows mean is
decided by the staging models.
"""

from collections.abc import Iterator

import dagster as dg

from orchestration.config import Config
from orchestration.defs.steps import (
    TURN,
    refused,
    retry_policy,
    telling_readers,
)
from orchestration.erasure.people import Forgotten
from orchestration.feeds import FeedError, FileLoad, load_feeds
from orchestration.settings import Settings

PRESENT = frozenset({"LOADED", "ALREADY_LOADED"})
STAY_OUT = "erased_people_stay_out"
REMEDY = (
    "Delete the person in the system that delivers the files, and tell its owner: here the rows"
    " are taken out every night."
)


def feed_key(name: str) -> dg.AssetKey:
    """Name the asset like the dbt source that reads it."""
    return dg.AssetKey(["raw", name])


def feed_assets(
    config: Config, settings: Settings, partitions: dg.DailyPartitionsDefinition
) -> list[dg.AssetsDefinition]:
    """Build the asset that loads all feeds; without feeds there is nothing to load."""
    if not config.feeds:
        return []
    specs = [
        dg.AssetSpec(
            feed_key(name),
            group_name="raw",
            kinds={feed.file_format, settings.target},
            owners=["data@example.com"],
            description=f"The rows of {feed.path} as text, with file and line.",
        )
        for name, feed in sorted(config.feeds.items())
    ]

    first = feed_key(min(config.feeds))
    stay_out = dg.AssetCheckSpec(
        STAY_OUT, asset=first, description="Nobody who was erased is delivered again."
    )

    @dg.multi_asset(
        name="raw_feeds",
        specs=specs,
        check_specs=[stay_out],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=retry_policy(settings),
        required_resource_keys={TURN},
    )
    def raw_feeds(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        with telling_readers(context, config, settings):
            try:
                report = load_feeds(config, settings)
            except FeedError as error:
                raise refused(str(error)) from error
        for name in sorted(config.feeds):
            files = [load for load in report.files if load.feed == name]
            rows = sum(load.rows for load in files if load.status in PRESENT)
            yield dg.MaterializeResult(
                asset_key=feed_key(name),
                metadata={"dagster/row_count": rows, "files": dg.MetadataValue.md(_shown(files))},
                check_results=[_stay_out(report.forgotten)] if feed_key(name) == first else [],
            )

    return [raw_feeds]


def _stay_out(forgotten: Forgotten) -> dg.AssetCheckResult:
    """Warn of a source that still delivers people who were erased; their rows were taken out."""
    message = f"{forgotten.again} rows of people who were erased before were delivered again."
    return dg.AssetCheckResult(
        check_name=STAY_OUT,
        passed=forgotten.again == 0,
        severity=dg.AssetCheckSeverity.WARN,
        description=message,
        metadata={"title": "Erased people stay out", "message": message, "remedy": REMEDY},
    )


def _shown(files: list[FileLoad]) -> str:
    lines = [f"| {load.file} | {load.rows:,} | {load.status.lower()} |" for load in files]
    return "\n".join(["| file | rows | |", "|:--|--:|:--|", *lines])
