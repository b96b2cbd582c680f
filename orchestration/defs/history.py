"""The dbt step: rules checked, then every table built and tested in one start of dbt.

A range of days is one pass as of its last day, because the tables hold the whole history. What
the tables mean is in `dbt_project`; how they look in Dagster in `orchestration.translator`.
"""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DbtProject, dbt_assets

from orchestration.config import Config
from orchestration.dbt_run import DbtRun, read_manifest, run_dbt, selection_of
from orchestration.defs.steps import (
    TURN,
    refused,
    retry_policy,
    tell_readers,
    telling_readers,
)
from orchestration.erasure.people import forget
from orchestration.erasure.traces import compact_if_due
from orchestration.explain import is_built, newest_day
from orchestration.measures.audience_rules import lint_audiences
from orchestration.measures.rules import lint_rules
from orchestration.measures.summary import moves_table, segment_table
from orchestration.measures.thresholds import lint_thresholds
from orchestration.overlay import rules_dir
from orchestration.partitions import day_of_run
from orchestration.project import parsed_project, parsed_vars, run_target, told_the_day
from orchestration.provenance import code_hash, mark_built
from orchestration.rules import (
    RuleFileError,
    read_activation_limits,
    read_audiences,
    read_guards,
    read_rules,
    read_thresholds,
)
from orchestration.settings import Settings
from orchestration.translator import LayeredTranslator
from orchestration.warehouse import (
    Session,
    WarehouseError,
    has_warehouse,
    is_locked,
    may_pass,
    open_warehouse,
    quoted,
    why_not_open,
)

# Layers of which tables are counted, and no views: nobody reads those all.
COUNTED = ("rules", "staging", "intermediate")
# What dbt says of a stored table that has other columns than its model.
OTHER_COLUMNS = "out of sync"


class HistoryConfig(dg.Config):
    """What can be asked of one run."""

    full_refresh: bool = False


def build_args(config: Config, *, full_refresh: bool) -> list[str]:
    """Return the arguments of the one dbt command of a run; unit tests belong to development."""
    args = ["build", "--exclude-resource-type", "unit_test", "--log-level-file", "info"]
    args += ["--vars", json.dumps(parsed_vars(config), sort_keys=True)]
    return [*args, "--full-refresh"] if full_refresh else args


def history_assets(
    installed: Config,
    settings: Settings,
    project: DbtProject,
    partitions: dg.DailyPartitionsDefinition,
) -> dg.AssetsDefinition:
    """Build the assets of all dbt models and rule tables."""
    reads_sample = not (installed.feeds or installed.tables)
    left_out = "" if reads_sample else "fqn:lifestage.sample"
    translator = LayeredTranslator(installed.business_timezone)
    described = json.loads(project.manifest_path.read_bytes())

    @dbt_assets(
        manifest=described,
        project=project,
        name="history",
        exclude=left_out,
        dagster_dbt_translator=translator,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=retry_policy(settings),
        required_resource_keys={TURN},
    )
    def history(context: dg.AssetExecutionContext, config: HistoryConfig) -> Iterator[Any]:
        with telling_readers(context, installed, settings):
            _check_rules(context, rules_dir(settings, installed), installed.segment_preset)
            code = code_hash(settings, installed)
            _look_for_the_erased(installed, settings)
            day = day_of_run(context)
            if not config.full_refresh:
                day = max(day, _newest_day(settings) or day)
            args = build_args(installed, full_refresh=config.full_refresh)
            args += selection_of(context, described, translator, left_out)
            parsed = read_manifest(parsed_project(settings))
            with told_the_day(day):
                done = run_dbt(args, project, run_target(settings), parsed)
            events = list(done.events(context, described, translator, project))
            trouble = _trouble(done, settings)
            if trouble is None:
                with open_warehouse(settings, read_only=False) as session:
                    mark_built(session, code)
                    shown = _shown(session)
                compact_if_due(settings)
                events = [_with_metadata(event, shown) for event in events]
            else:
                tell_readers(context, installed, settings, trouble)
        yield from events
        if trouble is not None:
            raise trouble

    return history


def _look_for_the_erased(config: Config, settings: Settings) -> None:
    """Find whom the models leave out; the loader has seen to the tables that it writes itself."""
    if has_warehouse(settings) and (config.tables or not config.feeds):
        with open_warehouse(settings, read_only=False) as session:
            forget(session, config)


def _newest_day(settings: Settings) -> date | None:
    """The day the tables have reached: an old day that is run again does not take them back."""
    if not has_warehouse(settings):
        return None
    with open_warehouse(settings, read_only=True) as session:
        return newest_day(session) if is_built(session) else None


def _check_rules(context: dg.AssetExecutionContext, directory: Path, preset: str) -> None:
    """Refuse rules that leave customers without a segment, before anything is computed."""
    try:
        rules = read_rules(directory)
        read_activation_limits(directory)
        read_guards(directory)
        findings = [
            *lint_rules(rules, [preset]),
            *lint_thresholds(read_thresholds(directory)),
            *lint_audiences(read_audiences(directory), rules, preset),
        ]
    except RuleFileError as error:
        raise refused(str(error)) from error
    for finding in findings:
        context.log.warning(f"{finding.check} {finding.subject}: {finding.message}")
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        named = "; ".join(
            f"{finding.check} {finding.preset} {finding.subject}: {finding.message}"
            for finding in errors
        )
        raise refused(f"the rules are refused: {named}")


def _trouble(done: DbtRun, settings: Settings) -> Exception | None:
    """Say what kept dbt from its end: what may go better at the next attempt, or a refusal."""
    if done.succeeded:
        return None
    reason = _reason(done, run_target(settings) / "dbt.log")
    said = " ".join([done.said, *(trouble.message for trouble in done.troubles)])
    if is_locked(said):
        return WarehouseError(why_not_open(settings.warehouse_path, said))
    return WarehouseError(reason) if may_pass(said) else refused(reason)


def _reason(done: DbtRun, log: Path) -> str:
    """Say in one line what dbt stumbled over first, and where the rest is."""
    if not done.troubles:
        return f"dbt did not start: see {log}"
    first, *others = done.troubles
    message = " ".join(first.message.split())[:300]
    more = f" and {len(others)} more" if others else ""
    if OTHER_COLUMNS in message:
        more += ": the tables are of an earlier version, run `lifestage refresh --full` once"
    return f"dbt {first.name}: {message}{more}; see {log}"


def _shown(session: Session) -> dict[dg.AssetKey, dict[str, Any]]:
    """Read what a person wants to see first: rows, the sizes of segments, the moves."""
    inner = {(schema, name) for schema in COUNTED for name in session.views(schema)}
    tables = sorted(
        place
        for place in session.relations(session.database) - inner
        if place[0] in ("marts", *COUNTED)
    )
    counts = " union all ".join(
        f"select {index}, count(*) from {quoted(schema)}.{quoted(name)}"
        for index, (schema, name) in enumerate(tables)
    )
    shown: dict[dg.AssetKey, dict[str, Any]] = {
        dg.AssetKey(list(tables[index])): {"dagster/row_count": rows}
        for index, rows in session.fetch(counts)
    }
    sizes = session.fetch(
        "select coalesce(segment, 'no order yet'), count(*), sum(monetary)"
        " from marts.customers group by all order by 2 desc, 1"
    )
    moves = session.fetch(
        "with newest as (select max(as_of_date) as day from marts.customers)"
        " select cause, coalesce(sum(customers) filter (where date_day = day), 0),"
        " coalesce(sum(customers) filter (where date_day > day - 28), 0)"
        " from marts.segment_transitions cross join newest"
        " where from_segment is not null and to_segment is not null and date_day <= day"
        " group by cause order by 3 desc, 1"
    )
    shown[dg.AssetKey(["marts", "customers"])]["segments"] = dg.MetadataValue.md(
        segment_table(sizes)
    )
    transitions = shown[dg.AssetKey(["marts", "segment_transitions"])]
    transitions["moves"] = dg.MetadataValue.md(moves_table(moves))
    transitions |= {f"moves_{cause}": int(on_day) for cause, on_day, _ in moves}
    return shown


def _with_metadata(event: Any, shown: dict[dg.AssetKey, dict[str, Any]]) -> Any:
    """Attach to a materialisation what belongs to its table."""
    if isinstance(event, dg.Output):
        key = _key_of(event)
        return event.with_metadata({**event.metadata, **shown.get(key, {})})
    return event


def _key_of(output: dg.Output) -> dg.AssetKey:
    """dagster-dbt names an output by the parts of its key."""
    return dg.AssetKey(output.output_name.split("__", 1))
