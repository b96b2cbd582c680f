"""Where Dagster keeps its run history, and how much it waits for the disk while it writes it.

What is in the tables is never stored here; losing the history loses no result.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from sqlalchemy import event
from sqlalchemy.engine import Engine

from orchestration.overlay import REPOSITORY

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


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


def write_without_waiting() -> None:
    """Let SQLite write the history of this process without waiting for the disk at every event.

    A run has hundreds of events, and a sync for each takes longer than the run. In the write-ahead
    mode of SQLite, which Dagster uses, the file stays whole; a power cut may lose the last events.
    """
    if not event.contains(Engine, "connect", _sync_less):
        event.listen(Engine, "connect", _sync_less)


def _sync_less(connection: object, _: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("pragma synchronous = normal")
