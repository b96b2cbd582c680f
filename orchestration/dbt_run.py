"""Runs dbt in this process, and says what Dagster and people want to know of it.

A dbt of its own costs seconds of start on every night. What is built, and which day it is built
for, is decided in `orchestration.defs.history`; where the project lies in `orchestration.project`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dagster_dbt.asset_utils import get_subset_selection_for_context
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.adapters.factory import reset_adapters
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest
from dbt_common.events.functions import msg_to_dict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import dagster as dg
    from dagster_dbt import DbtProject
    from dagster_dbt.dagster_dbt_translator import DagsterDbtTranslator
    from dbt_common.events.base_types import EventMsg

RESULTS = frozenset({"LogSeedResult", "LogModelResult", "LogSnapshotResult", "LogTestResult"})
BAD = frozenset({"error", "fail", "runtime error"})
# dbt keeps its flags, its log and its connections for the whole process.
ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Trouble:
    """A node that dbt did not get through.

    Attributes:
        name: The model, seed or test.
        message: What the engine or the test said.
    """

    name: str
    message: str


@dataclass(frozen=True)
class DbtRun:
    """What came of one run.

    Attributes:
        succeeded: Whether everything that was asked for was built and passed.
        troubles: What failed, in the order in which it did.
        said: Why dbt did not start or broke off; empty when it did neither.
        results: What dbt reported of every node, in the words of its log.
    """

    succeeded: bool
    troubles: list[Trouble] = field(default_factory=list)
    said: str = ""
    results: list[dict[str, Any]] = field(default_factory=list)

    def events(
        self,
        context: dg.AssetExecutionContext,
        manifest: Mapping[str, Any],
        translator: DagsterDbtTranslator,
        project: DbtProject,
    ) -> Iterator[Any]:
        """Translate the results into outputs and check results of Dagster."""
        for result in self.results:
            message = DbtCoreCliEventMessage(raw_event=result, event_history_metadata={})
            yield from message.to_default_asset_events(
                manifest=manifest,
                dagster_dbt_translator=translator,
                context=context,
                project=project,
            )


def read_manifest(parsed: Path) -> Manifest:
    """Read what dbt keeps of a parsed project, which spares the next run the parsing.

    Args:
        parsed: The file that dbt calls partial parse.
    """
    manifest = Manifest.from_msgpack(parsed.read_bytes())
    # What macros see as `graph`, which is not part of the file.
    manifest.build_flat_graph()
    return manifest


def selection_of(
    context: dg.AssetExecutionContext,
    manifest: Mapping[str, Any],
    translator: DagsterDbtTranslator,
    exclude: str,
) -> list[str]:
    """Say in dbt's words which of the assets a run was asked for."""
    selected, indirect = get_subset_selection_for_context(
        context=context,
        manifest=manifest,
        select="fqn:*",
        exclude=exclude or None,
        selector=None,
        dagster_dbt_translator=translator,
        current_dbt_indirect_selection_env=None,
    )
    return [*selected, "--indirect-selection", indirect] if indirect else selected


def run_dbt(
    arguments: Sequence[str], project: DbtProject, artifacts: Path, manifest: Manifest | None = None
) -> DbtRun:
    """Run dbt to its end; what it prints goes to the standard output.

    Args:
        arguments: The command and its options.
        project: The project, its profile and target.
        artifacts: The folder of dbt's log and results.
        manifest: The parsed project; without it dbt parses.
    """
    results: list[dict[str, Any]] = []

    def keep(message: EventMsg) -> None:
        if message.info.name in RESULTS:
            results.append(msg_to_dict(message))

    done = _invoke(
        [
            *("--no-use-colors", "--no-send-anonymous-usage-stats", *arguments),
            *("--project-dir", str(project.project_dir)),
            *("--profiles-dir", str(project.profiles_dir)),
            *(("--target", project.target) if project.target else ()),
            *("--target-path", str(artifacts), "--log-path", str(artifacts)),
        ],
        manifest,
        keep,
    )
    if done.exception is not None:
        return DbtRun(succeeded=False, said=str(done.exception), results=results)
    troubles = [
        Trouble(result.node.name, result.message or str(result.status))
        for result in getattr(done.result, "results", None) or ()
        if result.status in BAD
    ]
    return DbtRun(succeeded=done.success, troubles=troubles, results=results)


def _invoke(
    arguments: list[str], manifest: Manifest | None, keep: Callable[[EventMsg], None]
) -> dbtRunnerResult:
    with ONE_AT_A_TIME:
        try:
            return dbtRunner(manifest=manifest, callbacks=[keep]).invoke(arguments)
        finally:
            reset_adapters()
            _let_go_of_duckdb()


def _let_go_of_duckdb() -> None:
    """Close the file, which dbt-duckdb would keep open as long as the process lives."""
    manager = DuckDBConnectionManager
    if manager._ENV is not None:  # noqa: SLF001 - the public way to ask raises
        manager.env().close()
        manager.close_all_connections()
