"""How dbt resources look in Dagster: groups, owners, kinds, links to the code, freshness.

Keys stay dagster-dbt's own (`schema/name`), so that sources meet the assets that load them.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dagster_dbt import DbtProject

PUBLIC_LAYER = "marts"
READY_BY = "0 6 * * *"


@cache  # Dagster walks through a thousand days of the schedule for each policy it makes.
def freshness_promise(timezone: str) -> dg.FreshnessPolicy:
    """Promise that what people read has been refreshed this night when they come to work."""
    return dg.FreshnessPolicy.cron(
        deadline_cron=READY_BY, lower_bound_delta=timedelta(hours=6), timezone=timezone
    )


class LayeredTranslator(DagsterDbtTranslator):
    """Shows every dbt resource in the layer it belongs to."""

    def __init__(self, timezone: str) -> None:
        super().__init__(DagsterDbtTranslatorSettings(enable_code_references=True))
        self._timezone = timezone

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Name an asset as its table is named, which is what readers look for."""
        named = super().get_asset_key(dbt_resource_props)
        return dg.AssetKey([*named.path[:-1], dbt_resource_props.get("alias") or named.path[-1]])

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """Add what the layer and the materialisation say to the usual specification."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        properties = self.get_resource_props(manifest, unique_id)
        layer = _layer(properties)
        return spec.replace_attributes(
            group_name=layer,
            description=properties.get("description") or None,
            kinds={"dbt", str(manifest["metadata"]["adapter_type"]), _form(properties)},
            freshness_policy=freshness_promise(self._timezone) if layer == PUBLIC_LAYER else None,
        )


def _layer(properties: Mapping[str, Any]) -> str:
    """The folder that a model or seed lies in; a source is raw input."""
    return "raw" if properties["resource_type"] == "source" else properties["fqn"][1]


def _form(properties: Mapping[str, Any]) -> str:
    """A seed, a view or a table; an incremental model is a table to everybody but dbt."""
    form = properties.get("config", {}).get("materialized", "table")
    return form if form in {"seed", "view"} else "table"
