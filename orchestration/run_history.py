"""Where Dagster keeps its run history, and why a run in it failed.

What is in the tables is never stored here; losing the history loses no result. How it is written
is in `orchestration.run_storage`.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from orchestration.overlay import REPOSITORY
from orchestration.run_storage import RunStorage

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from dagster._utils.error import SerializableErrorInfo

# Errors of the project explain themselves; their class says nothing to the reader.
OWN_ERROR = re.compile(r"^orchestration\.[\w.]+: ")


def run_history() -> AbstractContextManager[dg.DagsterInstance]:
    """Open the run history of `dagster dev`: DAGSTER_HOME when set, else the project's own."""
    if os.environ.get("DAGSTER_HOME"):
        return dg.DagsterInstance.get()
    home = REPOSITORY / ".dagster"
    home.mkdir(exist_ok=True)
    storage = {"module": RunStorage.__module__, "class": RunStorage.__name__}
    reference = InstanceRef.from_dir(
        str(home),
        config_dir=str(REPOSITORY),
        overrides={"storage": {"custom": storage | {"config": {"base_dir": str(home)}}}},
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
