"""What drt brings to destinations, as assets that end the lineage: one per audience.

They are made by the delivery, not by themselves: whoever could materialise them alone could send
what no verdict let go. How drt is fed is in `orchestration.activation.drt_sync`.
"""

import dagster as dg

from orchestration.activation.delivering import DeliveryReport
from orchestration.activation.drt_sync import is_installed
from orchestration.config import Config, ConfigError
from orchestration.measures.audience_rules import audiences_in_force
from orchestration.measures.audience_tables import DRT
from orchestration.overlay import rules_dir
from orchestration.rules import read_audiences
from orchestration.settings import Settings


def drt_assets(config: Config, settings: Settings, delivery: dg.AssetKey) -> list[dg.AssetSpec]:
    """Describe the audiences that go through drt; none without a drt project.

    Raises:
        ConfigError: A drt project is configured, and drt is not installed.
    """
    if config.activation.drt_project is None:
        return []
    if not is_installed():
        raise ConfigError("MISSING_EXTRA", "activation.drt_project", "install lifestage[drt]")
    book = read_audiences(rules_dir(settings, config))
    places = {row.destination for row in book.destinations if row.kind == DRT}
    return [
        dg.AssetSpec(
            drt_key(row.audience, row.destination),
            deps=[delivery],
            description=f"{row.description} What they get: {row.action}",
            group_name="delivery",
            kinds={"drt"},
            owners=[row.owner] if "@" in row.owner else [],
            metadata={"channel": row.channel, "objective": row.objective},
        )
        for row in audiences_in_force(book, config.segment_preset)
        if row.destination in places
    ]


def drt_key(audience: str, destination: str) -> dg.AssetKey:
    """Name what a destination holds of an audience."""
    return dg.AssetKey(["delivery", destination, audience])


def materialised(report: DeliveryReport) -> dg.AssetMaterialization:
    """Tell in counts what was brought to a destination."""
    delivery = report.delivery
    return dg.AssetMaterialization(
        drt_key(delivery.audience, delivery.destination),
        metadata={
            "status": report.status,
            "added": report.added,
            "removed": report.removed,
            "updated": report.updated,
            "rejected": sum(report.rejected.values()),
            "not_answered": report.unknown,
        },
    )
