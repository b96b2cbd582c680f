"""The last step: what the verdict allows is put in place for readers.

The publication asks for the verdict itself, so that it refuses as well when it is launched alone.
How it is done without a torn moment is in `orchestration.shelf`.
"""

from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.config import Config
from orchestration.defs.checks import VERDICT_KEY
from orchestration.defs.measurement import KEYS as MEASURED
from orchestration.defs.steps import (
    TURN,
    refused,
    retry_policy,
    telling_readers,
)
from orchestration.erasure.traces import sweep
from orchestration.partitions import day_of_run
from orchestration.provenance import code_hash
from orchestration.publication import (
    PUBLIC_TABLES,
    Generation,
    PublicationHeld,
)
from orchestration.settings import Settings
from orchestration.shelf import Shelf, report_writer, shelf_of
from orchestration.translator import freshness_promise

PUBLICATION_KEY = dg.AssetKey(["published", "lifestage"])


def publication_asset(
    config: Config,
    settings: Settings,
    partitions: dg.DailyPartitionsDefinition,
    built: set[dg.AssetKey],
) -> dg.AssetsDefinition:
    """Build the asset that readers open.

    Args:
        config: Decides about Parquet and the brake.
        settings: Says where.
        partitions: The as-of dates.
        built: What dbt builds; of it the public tables come first.
    """
    shelf = shelf_of(settings)
    sources = [dg.AssetKey([table.schema, table.name]) for table in PUBLIC_TABLES]

    @dg.asset(
        key=PUBLICATION_KEY,
        deps=[*(key for key in sources if key in built), *MEASURED.values(), VERDICT_KEY],
        group_name="published",
        kinds=shelf.kinds(config.publication),
        description="What readers open: the public tables of one generation, put in place in one"
        " step.",
        owners=["data@example.com"],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=retry_policy(settings),
        freshness_policy=freshness_promise(config.business_timezone),
        required_resource_keys={TURN},
    )
    def publication(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        with telling_readers(context, config, settings):
            try:
                made = shelf.publish(
                    config.publication,
                    day_of_run(context),
                    code_hash=code_hash(settings, config),
                    report=report_writer(config),
                )
            except PublicationHeld as held:
                raise refused(f"publication held: {held}") from held
        # Readers have the new tables: trouble with the old ones is not theirs.
        sweep(settings)
        return dg.MaterializeResult(metadata=_shown(made, shelf, config))

    return publication


def _shown(made: Generation, shelf: Shelf, config: Config) -> dict[str, Any]:
    rows = "\n".join(f"| {table.name} | {table.rows:,} |" for table in made.tables)
    places = {
        name: dg.MetadataValue.path(place) if isinstance(place, Path) else place
        for name, place in shelf.places(config.publication).items()
        if name != "report"
    }
    return {
        "verdict": shelf.status().verdict,
        "generation": made.generation,
        "as_of_date": made.as_of_date.isoformat(),
        "is_new": made.is_new,
        "tables": dg.MetadataValue.md(f"| table | rows |\n|:--|--:|\n{rows}"),
        **places,
    }
