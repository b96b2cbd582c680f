"""Runs the nightly job in this process, in the run history that `dagster dev` shows.

Which day is computed is decided here; what a run does is in `orchestration.defs`, what is printed
about it in `orchestration.cli`.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import socket
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from orchestration.config import ConfigError, check_as_of
from orchestration.definitions import build_definitions
from orchestration.defs.nightly import JOB_NAME
from orchestration.defs.steps import WAITING
from orchestration.partitions import business_days, last_complete_day
from orchestration.project import ProjectError
from orchestration.run_history import first_failure, one_line, run_history

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from orchestration.config import Config
    from orchestration.settings import Settings

HOLDER_TAG = "lifestage/holder"
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
UNFINISHED = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
DBT_DONE = re.compile(r"\b(\d+) of (\d+) (?!START)")
STEPS = {
    "raw_feeds": "reading the feeds",
    "history": "computing and testing",
    "checks": "judging the night",
    "measurement": "measuring campaigns",
}


class RefreshError(Exception):
    """A refresh that failed; one line that names what to do."""


@dataclass(frozen=True)
class Asked:
    """The days of a refresh: as of the last one, marked as done from the first one on."""

    first: date
    last: date


def days_asked_for(config: Config, as_of: date | None, start: date | None) -> Asked:
    """Decide which day is computed.

    Args:
        config: Holds the fixed last day, if there is one, and the first day of history.
        as_of: The day that was asked for.
        start: The first day of a range that was asked for.

    Raises:
        ConfigError: The day is not over yet, or lies before the history.
    """
    complete = last_complete_day(business_days(config))
    last = as_of or config.as_of or complete
    if complete is None or last is None or last < config.history_start:
        raise ConfigError(
            "OUT_OF_RANGE",
            "as_of",
            f"history starts on {config.history_start}: ask for a later day",
        )
    check_as_of(last, complete)
    first = start or last
    if not config.history_start <= first <= last:
        raise ConfigError(
            "OUT_OF_RANGE", "from", f"give a day from {config.history_start} to {last}"
        )
    return Asked(first, last)


def refresh(
    config: Config,
    settings: Settings,
    asked: Asked,
    *,
    full_refresh: bool,
    tell: Callable[[str, int, int], None],
) -> None:
    """Run the job for the days asked for.

    Args:
        config: The configuration.
        settings: The installation.
        asked: The days.
        full_refresh: Whether everything is computed anew.
        tell: Told the step at work, what it has done and how much there is (0: not known).

    Raises:
        RefreshError: The run failed.
    """
    tell("preparing", 0, 0)
    try:
        job = build_definitions(config, settings).resolve_job_def(JOB_NAME)
    except ProjectError as error:
        raise RefreshError(str(error)) from error
    holder = f"{socket.gethostname()}:{os.getpid()}"
    tags = {HOLDER_TAG: holder}
    partition_key = asked.last.isoformat()
    if asked.first != asked.last:
        tags |= {RANGE_START_TAG: asked.first.isoformat(), RANGE_END_TAG: partition_key}
        partition_key = None
    with run_history() as instance:
        end_dead_runs(instance)
        run_id = str(uuid.uuid4())
        instance.add_event_listener(run_id, lambda entry: _tell_step(entry, tell))
        with contextlib.redirect_stdout(_DbtProgress(tell)):
            result = job.execute_in_process(
                instance=instance,
                partition_key=partition_key,
                tags=tags,
                run_id=run_id,
                raise_on_error=False,
                run_config={
                    "ops": {"history": {"config": {"full_refresh": full_refresh}}},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
            )
    if not result.success:
        raise RefreshError(
            first_failure(result.all_events)
            or "the run failed before its first step: look at it in `dagster dev`"
        )


def end_dead_runs(instance: dg.DagsterInstance) -> None:
    """Close runs of this machine whose process is gone: they would hold their place for ever."""
    unfinished = instance.get_runs(dg.RunsFilter(job_name=JOB_NAME, statuses=UNFINISHED))
    for run in unfinished:
        host, _, process = run.tags.get(HOLDER_TAG, "").rpartition(":")
        if host == socket.gethostname() and not _is_alive(int(process)):
            instance.report_run_failed(run, "The process that ran it was ended.")


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _tell_step(entry: dg.EventLogEntry, tell: Callable[[str, int, int], None]) -> None:
    event = entry.dagster_event
    if event is None:
        if entry.user_message == WAITING:
            tell(WAITING, 0, 0)
        return
    if event.event_type == dg.DagsterEventType.STEP_START:
        tell(STEPS.get(event.step_key or "", "publishing"), 0, 0)
    elif event.event_type == dg.DagsterEventType.STEP_UP_FOR_RETRY:
        error = event.step_retry_data.error
        reason = one_line(error) if error else "the machine is busy"
        tell(f"{reason}; trying again in a while", 0, 0)


class _DbtProgress(io.TextIOBase):
    """Reads along with dbt, which says how far it is, and prints nothing."""

    def __init__(self, tell: Callable[[str, int, int], None]) -> None:
        self._tell = tell

    def write(self, text: str) -> int:
        """Take a line of dbt's log."""
        for done, total in DBT_DONE.findall(text):
            self._tell(STEPS["history"], int(done), int(total))
        return len(text)
