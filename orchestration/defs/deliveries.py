"""The step after the publication: what changed in the audiences goes to their destinations.

It asks for the verdict and for what readers see itself, so that it refuses as well when it is
launched alone. A night on which messages are held is no failure of the step: the check says so.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from orchestration.activation.delivering import DeliveryReport
from orchestration.activation.destinations import ActivationHeld
from orchestration.audience_delivery import deliver
from orchestration.config import Config
from orchestration.defs.drt import drt_key, materialised
from orchestration.defs.publication import PUBLICATION_KEY
from orchestration.defs.steps import TURN, refused, retry_policy
from orchestration.erasure.traces import settle_ledger
from orchestration.rules import RuleFileError
from orchestration.settings import Settings, destination_variables
from orchestration.warehouse import open_warehouse

DELIVERIES_KEY = dg.AssetKey(["delivery", "audiences"])
LET_GO, GUARDED, COMPLETE = "messages_allowed", "audience_guards", "deliveries_complete"
NOT_JUDGED: tuple[bool, dict[str, Any]] = (False, {"reason": "nothing was judged"})
CHECKS = {
    LET_GO: "The verdict on the published tables allows messages, and they are those of the"
    " warehouse.\n\nWhat to do: see the checks that hold them with `lifestage checks`.",
    GUARDED: "No guard of docs/checks.md (G01 to G12) stopped a list.\n\nWhat to do: look at"
    " `lifestage plan`, mend the rule or the feed, or let the list go with `lifestage approve"
    " --audience`; who objected has left it already.",
    COMPLETE: "Every destination said of every change what became of it, and rejected none.\n\nWhat"
    " to do: read the reasons; the next delivery tries the same changes again.",
}


def deliveries_asset(
    config: Config,
    settings: Settings,
    partitions: dg.DailyPartitionsDefinition,
    through_drt: frozenset[dg.AssetKey] = frozenset(),
) -> dg.AssetsDefinition:
    """Build the asset that stands for what destinations hold.

    Args:
        config: The configuration.
        settings: The installation.
        partitions: The business days.
        through_drt: The assets that stand for what drt brings to destinations.
    """

    @dg.asset(
        key=DELIVERIES_KEY,
        deps=[PUBLICATION_KEY],
        group_name="delivery",
        kinds={"python"},
        description="The audiences of the published generation, at their destinations: what"
        " changed since the last delivery is sent, and a ledger knows who holds what.",
        owners=["crm@example.com"],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=retry_policy(settings),
        required_resource_keys={TURN},
        check_specs=[
            dg.AssetCheckSpec(name, asset=DELIVERIES_KEY, description=about)
            for name, about in CHECKS.items()
        ],
    )
    def audiences(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        reports: list[DeliveryReport] = []
        held = None
        with open_warehouse(settings, read_only=False) as session:
            try:
                reports.extend(deliver(session, settings, config, destination_variables()))
            except ActivationHeld as reason:
                held = str(reason)
                context.log.warning(f"nothing is sent: {held}")
            except RuleFileError as error:
                raise refused(str(error)) from error
        settle_ledger(settings)
        for report in reports:
            name = (report.delivery.audience, report.delivery.destination)
            if drt_key(*name) in through_drt and not report.trouble:
                context.log_event(materialised(report))
        yield dg.MaterializeResult(
            metadata={"lists": dg.MetadataValue.md(_table(reports))},
            check_results=[
                _result(LET_GO, is_well=held is None, metadata={"reason": held or "allowed"}),
                _result(GUARDED, *(_guarded(reports) if held is None else NOT_JUDGED)),
                _result(COMPLETE, *(_complete(reports) if held is None else NOT_JUDGED)),
            ],
        )
        # What the others achieved is told before; the next try goes on from there.
        if troubles := _troubles(reports):
            raise dg.Failure(description="; ".join(troubles))

    return audiences


def _guarded(reports: Sequence[DeliveryReport]) -> tuple[bool, dict[str, Any]]:
    told = {
        one.delivery.audience: ", ".join((*one.decision.reasons, *one.decision.warnings))
        for one in reports
        if one.decision.reasons or one.decision.warnings
    }
    return not any(one.decision.is_stopped for one in reports), told or {"stopped": "none"}


def _complete(reports: Sequence[DeliveryReport]) -> tuple[bool, dict[str, Any]]:
    rejected = sum(sum(one.rejected.values()) for one in reports)
    unknown = sum(one.unknown for one in reports)
    is_well = not any((rejected, unknown, *(one.status == "incomplete" for one in reports)))
    told: dict[str, Any] = {"rejected": rejected, "not_answered": unknown}
    if troubles := _troubles(reports):
        told["reasons"] = "; ".join(troubles)
    return is_well, told


def _troubles(reports: Sequence[DeliveryReport]) -> list[str]:
    return [
        f"{one.delivery.audience} to {one.delivery.destination}: {one.trouble}"
        for one in reports
        if one.trouble
    ]


def _result(name: str, is_well: bool, metadata: dict[str, Any]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=DELIVERIES_KEY,
        check_name=name,
        passed=is_well,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=metadata,
    )


def _table(reports: Sequence[DeliveryReport]) -> str:
    """Show each list in a line of a Markdown table."""
    header = (
        "| audience | destination | status | added | removed | updated | rejected | not answered |"
    )
    lines = [
        f"| {one.delivery.audience} | {one.delivery.destination} |"
        f" {' '.join((one.status, *one.decision.reasons))} | {one.added:,} | {one.removed:,} |"
        f" {one.updated:,} | {sum(one.rejected.values()):,} | {one.unknown:,} |"
        for one in reports
    ]
    return "\n".join([header, "|:--|:--|:--|--:|--:|--:|--:|--:|", *lines])
