"""The step beside the checks: campaigns and audiences are measured, and it is written down.

Nothing is held back by what is found; how it is found is in `orchestration.measurement`.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import dagster as dg

from orchestration.config import Config
from orchestration.defs.steps import TURN, refused, retry_policy, telling_readers
from orchestration.measurement import AGGREGATES, Measurement, measure
from orchestration.measurement_tables import SCHEMA, TABLES
from orchestration.measures.campaigns import ALL
from orchestration.provenance import OriginError
from orchestration.rules import RuleFileError
from orchestration.settings import Settings
from orchestration.warehouse import open_warehouse

KEYS = {name: dg.AssetKey([SCHEMA, name]) for name in TABLES}


def measurement_assets(
    config: Config,
    settings: Settings,
    partitions: dg.DailyPartitionsDefinition,
    built: set[dg.AssetKey],
) -> dg.AssetsDefinition:
    """Build the assets of what campaigns added and whom audiences pass over.

    Args:
        config: The configuration.
        settings: The installation.
        partitions: The as-of dates.
        built: What dbt builds; of it the aggregates come first.
    """
    sources = [dg.AssetKey(["activation", name]) for name in AGGREGATES]
    specs = [
        dg.AssetSpec(
            KEYS[name],
            deps=[key for key in sources if key in built],
            group_name=SCHEMA,
            kinds={"python", settings.target},
            owners=["crm@example.com"],
            description=contract.description,
        )
        for name, contract in TABLES.items()
    ]

    @dg.multi_asset(
        name="measurement",
        specs=specs,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=retry_policy(settings),
        required_resource_keys={TURN},
    )
    def measurement(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        with telling_readers(context, config, settings):
            try:
                with open_warehouse(settings, read_only=False) as session:
                    found = measure(session, settings, config)
            except (OriginError, RuleFileError) as error:
                raise refused(str(error)) from error
        for name, metadata in _shown(found).items():
            yield dg.MaterializeResult(asset_key=KEYS[name], metadata=metadata)

    return measurement


def _shown(found: Measurement) -> dict[str, dict[str, Any]]:
    """Show of each table how the verdicts came out, and of campaigns what they say."""
    told = "\n".join(
        f"| {row.campaign_id} | {row.metric} | {row.verdict} | {row.message} |"
        for row in found.lifts
        if row.segment == ALL
    )
    lines = f"| campaign | metric | verdict | what was found |\n|:--|:--|:--|:--|\n{told}"
    return {
        "campaign_lift": {
            **Counter(row.verdict for row in found.lifts),
            "campaigns": dg.MetadataValue.md(lines),
        },
        "holdout_checks": dict(Counter(row.verdict for row in found.checks)),
        "fairness_report": dict(Counter(row.verdict for row in found.fairness)),
    }
