"""The nightly job as Dagster and dagster-dbt come, for `benchmarks.nightly` to compare with.

dbt is started by its resource, every step is a process, the run history is Dagster's own. What is
computed is the same.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DbtCliResource, dbt_assets

from orchestration.config import load_config
from orchestration.definitions import build_definitions
from orchestration.defs.history import build_args
from orchestration.defs.nightly import JOB_NAME
from orchestration.defs.steps import TURN
from orchestration.partitions import business_days, day_of_run
from orchestration.project import prepared_project, told_the_day
from orchestration.provenance import code_hash, mark_built
from orchestration.settings import Settings
from orchestration.translator import LayeredTranslator
from orchestration.warehouse import open_warehouse

DBT = str(Path(sys.executable).with_name("dbt"))
settings = replace(Settings.from_env(), retry_seconds=1)
config = load_config(settings.config_path)
project = prepared_project(settings, config)


@dbt_assets(
    manifest=project.manifest_path,
    project=project,
    name="history",
    exclude="" if not (config.feeds or config.tables) else "fqn:lifestage.sample",
    dagster_dbt_translator=LayeredTranslator(config.business_timezone),
    partitions_def=business_days(config),
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def history(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
    """Build everything that dbt describes."""
    code = code_hash(settings, config)
    with told_the_day(day_of_run(context)):
        yield from dbt.cli(build_args(config, full_refresh=False), context=context).stream()
    with open_warehouse(settings, read_only=False) as session:
        mark_built(session, code)


others = [
    asset
    for asset in build_definitions(config, settings).assets or ()
    if isinstance(asset, dg.AssetsDefinition) and asset.op.name != "history"
]
defs = dg.Definitions(
    assets=[*others, history],
    jobs=[
        dg.define_asset_job(
            JOB_NAME,
            dg.AssetSelection.assets(*others, history),
            partitions_def=business_days(config),
            executor_def=dg.multiprocess_executor.configured({"max_concurrent": 1}),
        )
    ],
    resources={
        "dbt": DbtCliResource(project_dir=project, dbt_executable=DBT),
        TURN: dg.ResourceDefinition.none_resource(),
    },
)
