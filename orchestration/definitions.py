"""Wires the installation together; everything is declared elsewhere."""

from __future__ import annotations

import warnings

import dagster as dg
from dagster._utils.warnings import BetaWarning

from orchestration.config import Config, load_config
from orchestration.defs.alerts import alert_sensor
from orchestration.defs.checks import check_assets
from orchestration.defs.deliveries import DELIVERIES_KEY, deliveries_asset
from orchestration.defs.drt import drt_assets
from orchestration.defs.feeds import feed_assets
from orchestration.defs.history import history_assets
from orchestration.defs.measurement import measurement_assets
from orchestration.defs.nightly import nightly_job, nightly_schedule
from orchestration.defs.publication import publication_asset
from orchestration.defs.steps import TURN, turn_on_warehouse
from orchestration.partitions import business_days
from orchestration.project import prepared_project
from orchestration.quality import definitions_in_force
from orchestration.settings import Settings

# Single-run backfills are called beta; what we rely on is held by a test.
warnings.filterwarnings("ignore", category=BetaWarning)


def build_definitions(config: Config, settings: Settings) -> dg.Definitions:
    """Build all definitions of one installation."""
    partitions = business_days(config)
    project = prepared_project(settings, config)
    feeds = feed_assets(config, settings, partitions)
    history = history_assets(config, settings, project, partitions)
    built = set(history.keys)
    definitions = definitions_in_force(settings, config)
    checks = check_assets(config, settings, partitions, built, definitions)
    measurement = measurement_assets(config, settings, partitions, built)
    publication = publication_asset(config, settings, partitions, built)
    through_drt = drt_assets(config, settings, DELIVERIES_KEY)
    brought = frozenset(spec.key for spec in through_drt)
    deliveries = deliveries_asset(config, settings, partitions, brought)
    assets = [*feeds, history, checks, measurement, publication, deliveries]
    job = nightly_job(dg.AssetSelection.assets(*assets), partitions)
    return dg.Definitions(
        assets=[*assets, *through_drt],
        jobs=[job],
        schedules=[nightly_schedule(config, job)],
        sensors=[alert_sensor(settings)],
        resources={TURN: turn_on_warehouse(settings)},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Build the definitions of the installation that the environment names."""
    settings = Settings.from_env()
    return build_definitions(load_config(settings.config_path), settings)
