"""The step after the history: the night is judged, and the verdict is written down.

Every check is an asset check of the asset that it is computed with. None of them stops a run:
whether the tables are published is read from the verdict by the publication itself, so that it
holds as well when that is started alone. How a night is judged is in `orchestration.quality`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from orchestration.config import Config
from orchestration.defs.steps import (
    TURN,
    refused,
    retry_policy,
    telling_readers,
)
from orchestration.gate import GateError, Verdict
from orchestration.measures.check_summary import (
    checks_table,
    subjects_table,
    usefulness_table,
    worst_first,
)
from orchestration.measures.checks import Definition, Result
from orchestration.provenance import OriginError
from orchestration.quality import OTHER_TABLES, QUALITY_TABLES, Judgement, judge
from orchestration.rules import RuleFileError
from orchestration.settings import Settings
from orchestration.warehouse import open_warehouse

GROUP = "checks"
VERDICT_KEY = dg.AssetKey([GROUP, "verdict"])
# By the group of a check: the asset and what it is about.
ASSETS = {
    "arrival": ("order_arrival", "Whether the orders of the day came, whole, once and readable."),
    "drift": ("segment_drift", "Whether what segments are made of still looks as it did."),
    "stability": ("segment_stability", "Whether customers move between segments as usual."),
    "usefulness": ("segment_usefulness", "Whether the segments are worth having."),
}
RULE_TABLES = {"calendar_days": dg.AssetKey(["rules", "calendar_days"])}


def asset_key(group: str) -> dg.AssetKey:
    """Name the asset of a group of checks."""
    return dg.AssetKey([GROUP, ASSETS[group][0]])


def check_assets(
    config: Config,
    settings: Settings,
    partitions: dg.DailyPartitionsDefinition,
    built: set[dg.AssetKey],
    definitions: Mapping[str, Definition],
) -> dg.AssetsDefinition:
    """Build the assets whose checks make up the verdict.

    Args:
        config: The configuration.
        settings: The installation.
        partitions: The as-of dates.
        built: What dbt builds; of it the aggregates come first.
        definitions: All checks, by id.
    """
    specs = [
        dg.AssetSpec(
            asset_key(group),
            deps=[key for key in _sources(group) if key in built],
            group_name=GROUP,
            kinds={"python"},
            owners=["data@example.com"],
            description=about,
        )
        for group, (_, about) in ASSETS.items()
    ]
    verdict = dg.AssetSpec(
        VERDICT_KEY,
        deps=[spec.key for spec in specs],
        group_name=GROUP,
        kinds={"python", settings.target},
        owners=["data@example.com"],
        description="What follows from all checks for exactly these inputs, rules and tables:"
        " the publication reads it and refuses without it.",
    )

    @dg.multi_asset(
        name="checks",
        specs=[*specs, verdict],
        check_specs=[_spec(definition) for definition in definitions.values()],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=retry_policy(settings),
        required_resource_keys={TURN},
    )
    def checks(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        with telling_readers(context, config, settings):
            try:
                with open_warehouse(settings, read_only=False) as session:
                    night = judge(session, settings, config)
            except (GateError, OriginError, RuleFileError) as error:
                raise refused(str(error)) from error
        for result in worst_first(night.results):
            if result.status != "pass":
                context.log.info(f"{result.status} {result.check} {result.subject}")
        yield from _shown(night, definitions)

    return checks


def _sources(group: str) -> list[dg.AssetKey]:
    """Name the tables that the checks of a group are made from."""
    keys = [dg.AssetKey(["quality", f"quality_{name}"]) for name in QUALITY_TABLES[group]]
    others = OTHER_TABLES.get(group, {})
    return keys + [RULE_TABLES.get(name, dg.AssetKey(["marts", name])) for name in others]


def _spec(definition: Definition) -> dg.AssetCheckSpec:
    """Describe a check in its four parts."""
    return dg.AssetCheckSpec(
        definition.check,
        asset=asset_key(definition.asset),
        description=f"{definition.title}. {definition.measures}\n\n{definition.why}\n\n"
        f"What to do: {definition.remedy}",
        metadata={"check_id": definition.check_id, "blocks": definition.blocks},
    )


def _shown(
    night: Judgement, definitions: Mapping[str, Definition]
) -> Iterator[dg.MaterializeResult]:
    """Show each asset with its checks, and the verdict over all."""
    for group in ASSETS:
        own = [definition for definition in definitions.values() if definition.asset == group]
        results = [result for result in night.results if result.asset == group]
        metadata: dict[str, Any] = dict(Counter(result.status for result in results))
        metadata["checks"] = dg.MetadataValue.md(checks_table(results))
        if group == "usefulness":
            metadata["segments"] = dg.MetadataValue.md(usefulness_table(night.segments))
        yield dg.MaterializeResult(
            asset_key=asset_key(group),
            metadata=metadata,
            check_results=[
                _check_result(
                    definition, [result for result in results if result.check == definition.check]
                )
                for definition in own
            ],
        )
    yield dg.MaterializeResult(
        asset_key=VERDICT_KEY, metadata=_verdict_metadata(night.verdict, night.results)
    )


def _check_result(definition: Definition, results: Sequence[Result]) -> dg.AssetCheckResult:
    """Show the worst subject of a check; the others stand in its table."""
    worst = worst_first(results)[0]
    is_mute = worst.status == "insufficient_data" and not worst.is_required
    numbers = {
        "value": worst.value,
        "warn_threshold": worst.warn_threshold,
        "error_threshold": worst.error_threshold,
        "effect": worst.effect,
        "p_adjusted": worst.p_adjusted,
        "reference_count": worst.reference_count,
        "current_count": worst.current_count,
    }
    metadata: dict[str, Any] = {
        name: float(number) for name, number in numbers.items() if number is not None
    }
    metadata |= {
        "as_of_date": worst.as_of_date.isoformat(),
        "status": worst.status,
        "subject": worst.subject,
        "title": definition.title,
        "message": worst.message,
        "remedy": definition.remedy,
        "blocks": worst.blocks,
    }
    if len(results) > 1:
        metadata["subjects"] = dg.MetadataValue.md(subjects_table(results))
    is_warning = worst.status == "warn"
    return dg.AssetCheckResult(
        asset_key=asset_key(definition.asset),
        check_name=definition.check,
        passed=worst.status == "pass" or is_mute,
        severity=dg.AssetCheckSeverity.WARN if is_warning else dg.AssetCheckSeverity.ERROR,
        description=worst.message,
        metadata=metadata,
    )


def _verdict_metadata(verdict: Verdict, results: Sequence[Result]) -> dict[str, Any]:
    return {
        "as_of_date": verdict.as_of_date.isoformat(),
        "status": verdict.status,
        "allows_publication": verdict.allows_publication,
        "allows_activation": verdict.allows_activation,
        "blocking": ", ".join(verdict.blocking) or "none",
        "results": len(results),
        "checks": dg.MetadataValue.md(checks_table(results)),
        "input_hash": verdict.input_hash,
        "code_hash": verdict.code_hash,
    }
