"""The sensor that looks at finished runs and tells people what changed its state.

It reads the evaluations of all asset checks and the end of each run, in the order in which the
runs ended. What is told, and how, is in `orchestration.alerts`.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg

from orchestration.alerts import Memory, Sighting, State, delivered, noticed, receiver_id
from orchestration.run_history import first_failure
from orchestration.settings import Settings

SENSOR_NAME = "alerts"
SECONDS_BETWEEN_LOOKS = 30
RUNS_PER_LOOK = 50
# Two runs may be written in another order than their time stamps say.
OVERLAP = timedelta(minutes=5)
RUNS_REMEMBERED = 500
FINISHED = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]
TOLD_EVENTS = {dg.DagsterEventType.ASSET_CHECK_EVALUATION, dg.DagsterEventType.STEP_FAILURE}
PARTITION_TAG = "dagster/partition"
RANGE_END_TAG = "dagster/asset_partition_range_end"


def alert_sensor(settings: Settings) -> dg.SensorDefinition:
    """Build the sensor; without receivers it skips and says how to name some."""
    urls = settings.alert_urls

    @dg.sensor(
        name=SENSOR_NAME,
        minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells people once when a check or a run gets worse or is well again.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if not urls:
            return dg.SkipReason("nobody is told: set LIFESTAGE_ALERT_URLS to apprise addresses")
        memory = Memory.from_text(context.cursor)
        records = _new_runs(context.instance, memory)
        sightings = [
            sighting
            for record in records
            for sighting in _sightings(context.instance, record.dagster_run)
        ]
        if memory.since is None:
            # At the first look, what was put right long ago is nobody's concern.
            sightings = list({sighting.subject: sighting for sighting in sightings}.values())
        memory = noticed(_with_runs(memory, records), sightings, map(receiver_id, urls))
        waiting = sum(map(len, memory.outbox.values()))
        memory, troubles = delivered(memory, urls)
        for trouble in troubles:
            context.log.error(f"{trouble}; what it was not told waits for the next look")
        told = waiting - sum(map(len, memory.outbox.values()))
        said = "; ".join((f"{told} changes told" if told else "nothing new to tell", *troubles))
        return dg.SensorResult(skip_reason=said, cursor=memory.to_text())

    return alerts


def _new_runs(instance: dg.DagsterInstance, memory: Memory) -> list[dg.RunRecord]:
    """Return finished runs that were not read yet, in the order of their end."""
    if memory.since is None:
        newest = instance.get_run_records(
            dg.RunsFilter(statuses=FINISHED),
            limit=RUNS_PER_LOOK,
            order_by="update_timestamp",
        )
        return list(reversed(newest))
    since = datetime.fromtimestamp(memory.since, UTC) - OVERLAP
    records = instance.get_run_records(
        dg.RunsFilter(statuses=FINISHED, updated_after=since),
        order_by="update_timestamp",
        ascending=True,
    )
    seen = set(memory.seen)
    new = [record for record in records if record.dagster_run.run_id not in seen]
    return new[:RUNS_PER_LOOK]


def _with_runs(memory: Memory, records: list[dg.RunRecord]) -> Memory:
    """Remember that runs were read."""
    seen = (*memory.seen, *(record.dagster_run.run_id for record in records))
    ends = [record.update_timestamp.replace(tzinfo=UTC).timestamp() for record in records]
    since = max([memory.since or 0.0, *ends])
    return replace(memory, seen=seen[-RUNS_REMEMBERED:], since=since)


def _sightings(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[Sighting]:
    """Say in which state a run left its checks and itself; a cancelled run says nothing."""
    entries = instance.all_logs(run.run_id, of_type=TOLD_EVENTS)
    events = [entry.dagster_event for entry in entries if entry.dagster_event]
    day = run.tags.get(PARTITION_TAG) or run.tags.get(RANGE_END_TAG) or ""
    checks = {}
    for event in events:
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            sighting = _of_check(event.asset_check_evaluation_data, day)
            checks[sighting.subject] = sighting
    yield from checks.values()
    title = f"run of {run.job_name}"
    if run.status == dg.DagsterRunStatus.SUCCESS:
        yield Sighting(f"run {run.job_name}", "ok", title, "The run succeeded.", day=day)
    if run.status == dg.DagsterRunStatus.FAILURE:
        reason = first_failure(events) or "the run ended before its first step was done"
        look = f"look at run {run.run_id} in Dagster"
        yield Sighting(f"run {run.job_name}", "error", title, reason, look, day)


def _of_check(evaluation: dg.AssetCheckEvaluation, day: str) -> Sighting:
    """Read an evaluation; tests of dbt have no title and remedy of their own."""

    def text(name: str) -> str:
        value = evaluation.metadata.get(name)
        return str(value.value) if value is not None else ""

    key = evaluation.asset_check_key
    state: State = "error"
    if evaluation.passed:
        state = "ok"
    elif evaluation.severity == dg.AssetCheckSeverity.WARN:
        state = "warn"
    return Sighting(
        subject=f"check {key.asset_key.to_user_string()} {key.name}",
        state=state,
        title=text("title") or f"{key.name} of {key.asset_key.to_user_string()}",
        message=text("message") or (evaluation.description or ""),
        remedy=text("remedy"),
        day=day,
    )
