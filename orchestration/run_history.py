"""Where Dagster keeps its run history, how it is written, and why a run in it failed.

What is in the tables is never stored here; losing the history loses no result.
"""

from __future__ import annotations

import os
import re
import sqlite3
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from sqlalchemy import event
from sqlalchemy.engine import Engine

from orchestration.overlay import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from dagster._utils.error import SerializableErrorInfo

# Errors of the project explain themselves; their class says nothing to the reader.
OWN_ERROR = re.compile(r"^orchestration\.[\w.]+: ")

# Dagster connects anew for every event. While one more connection is open, closing the others does
# not fold the write-ahead log into the file each time.
_KEPT_OPEN: dict[str, sqlite3.Connection] = {}
# The file of the run, that of all runs, and those of runs and schedules; `dagster dev` meets more.
MOST_KEPT_OPEN = 4


def run_history() -> AbstractContextManager[dg.DagsterInstance]:
    """Open the run history of `dagster dev`: DAGSTER_HOME when set, else the project's own."""
    if os.environ.get("DAGSTER_HOME"):
        return dg.DagsterInstance.get()
    home = REPOSITORY / ".dagster"
    home.mkdir(exist_ok=True)
    reference = InstanceRef.from_dir(
        str(home),
        config_dir=str(REPOSITORY),
        overrides={"storage": {"sqlite": {"base_dir": str(home)}}},
    )
    return dg.DagsterInstance.from_ref(reference)


def first_failure(events: Iterable[dg.DagsterEvent]) -> str | None:
    """Return the line that explains why a run failed; None when nothing in it says so."""
    for told in events:
        if told.is_step_failure:
            failure = told.step_failure_data
            if failure.user_failure_data and failure.user_failure_data.description:
                return failure.user_failure_data.description
            if failure.error:
                return one_line(failure.error)
        elif told.event_type == dg.DagsterEventType.RESOURCE_INIT_FAILURE:
            # The run had no turn on the warehouse, so no step began.
            error = told.engine_event_data.error
            if error:
                return one_line(error)
    return None


def one_line(error: SerializableErrorInfo) -> str:
    """Say what Dagster recorded of an error: the first line of its cause."""
    cause = error.cause or error
    return OWN_ERROR.sub("", cause.message.strip().splitlines()[0])


def write_without_waiting() -> None:
    """Let SQLite write the history of this process without waiting for the disk at every event.

    A run has hundreds of events, and a sync for each takes longer than the run. In the write-ahead
    mode of SQLite, which Dagster uses, the file stays whole; a power cut may lose the last events.
    """
    if not event.contains(Engine, "connect", _sync_less):
        event.listen(Engine, "connect", _sync_less)


def _sync_less(connection: object, _: object) -> None:
    if not isinstance(connection, sqlite3.Connection):
        return
    connection.execute("pragma synchronous = normal")
    _, _, path = connection.execute("pragma database_list").fetchone()
    if path and path not in _KEPT_OPEN:
        kept = sqlite3.connect(path, check_same_thread=False)
        kept.execute("select count(*) from sqlite_master").fetchone()
        _KEPT_OPEN[path] = kept
        if len(_KEPT_OPEN) > MOST_KEPT_OPEN:
            _KEPT_OPEN.pop(next(iter(_KEPT_OPEN))).close()
