"""The log of a cluster's events is read right; what is run on a cluster is in `benchmarks`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.spark_events import REPLANNED, STARTED, keys_of, model_of, read_log

MODEL = '/* {"app": "dbt", "node_id": "model.lifestage.int_customer_days"} */ create table ...'
SEED = '/* {"app": "dbt", "node_id": "seed.lifestage.segments"} */ insert into ...'
BY_CUSTOMER = "Exchange hashpartitioning(customer_id#12, 8), ENSURE_REQUIREMENTS, [plan_id=7]"


def exchange(simple: str, counter: int, *children: dict[str, Any]) -> dict[str, Any]:
    return {
        "nodeName": "Exchange",
        "simpleString": simple,
        "metrics": [
            {"name": "shuffle records written", "accumulatorId": counter + 1000},
            {"name": "shuffle bytes written", "accumulatorId": counter},
        ],
        "children": list(children),
    }


def plan(*children: dict[str, Any]) -> dict[str, Any]:
    return {"nodeName": "Sort", "simpleString": "Sort", "metrics": [], "children": list(children)}


def job(statement: str, *stages: int) -> dict[str, Any]:
    return {
        "Event": "SparkListenerJobStart",
        "Stage IDs": list(stages),
        "Properties": {"spark.job.description": statement},
    }


def task(stage: int, executor: str, shuffled: dict[int, int] | None = None) -> dict[str, Any]:
    counted = [
        {"ID": number, "Name": "shuffle bytes written", "Update": str(volume)}
        for number, volume in (shuffled or {}).items()
    ]
    return {
        "Event": "SparkListenerTaskEnd",
        "Stage ID": stage,
        "Task Info": {"Executor ID": executor, "Accumulables": [*counted, {"ID": 5}]},
        "Task Metrics": {
            "Executor CPU Time": 500_000_000,
            "Disk Bytes Spilled": 1,
            "Output Metrics": {"Bytes Written": 10},
            "Shuffle Write Metrics": {"Shuffle Bytes Written": sum((shuffled or {}).values())},
        },
    }


def execution(kind: str, number: int, tree: dict[str, Any], statement: str = "") -> dict[str, Any]:
    return {
        "Event": kind,
        "executionId": number,
        "description": statement,
        "sparkPlanInfo": tree,
    }


def read(*events: dict[str, Any]) -> Any:
    return read_log(json.dumps(event) for event in events)


def test_work_is_counted_by_model_and_executor() -> None:
    log = read(
        job(MODEL, 1, 2),
        job("select 1", 3),
        job(SEED, 4),
        task(1, "0", {7: 40}),
        task(1, "1", {7: 2}),
        task(2, "1"),
        task(3, "0", {7: 999}),
        task(4, "0"),
    )
    days = log.models["int_customer_days"]
    assert days.tasks == {"0": 1, "1": 2}
    assert days.stages == {1, 2}
    assert (days.cpu, days.shuffled, days.spilled, days.written) == (1.5, 42, 3, 30)
    assert log.total.tasks == {"0": 2, "1": 2}
    assert set(log.models) == {"int_customer_days", "segments"}


def test_a_task_that_failed_is_not_counted() -> None:
    log = read(job(MODEL, 1), task(1, "0") | {"Task Metrics": None}, task(1, "1"))
    assert log.total.tasks == {"1": 1}


def test_shuffles_have_the_bytes_of_the_plan_that_was_run() -> None:
    of_plan = plan(exchange(BY_CUSTOMER, 1))
    of_run = plan(exchange(BY_CUSTOMER, 2, exchange("Exchange SinglePartition, ENSURE_REQ", 3)))
    log = read(
        execution(STARTED, 9, of_plan, MODEL),
        execution(REPLANNED, 9, of_run),
        execution(STARTED, 10, of_plan, "select 1"),
        job(MODEL, 1),
        task(1, "0", {2: 30, 3: 1}),
        task(1, "1", {2: 5}),
    )
    assert log.exchanges == {"int_customer_days": [("customer_id", 35), ("SinglePartition", 1)]}


@pytest.mark.parametrize(
    ("said", "keys"),
    [
        (BY_CUSTOMER, "customer_id"),
        (
            "Exchange hashpartitioning(customer_id#1, day#22L, 200), REPARTITION_BY_COL, [p=1]",
            "customer_id, day",
        ),
        ("Exchange SinglePartition, ENSURE_REQUIREMENTS, [plan_id=3]", "SinglePartition"),
        (
            "Exchange rangepartitioning(day#2 ASC NULLS LAST, 8), ENSURE_REQUIREMENTS, [p=1]",
            "range day ASC NULLS LAST",
        ),
        (
            "Exchange hashpartitioning(coalesce(a#1, b#2), 8), ENSURE_REQUIREMENTS, [p=1]",
            "coalesce(a, b)",
        ),
        ("Exchange of another kind", "Exchange of another kind"),
    ],
)
def test_keys_are_named_without_numbers(said: str, keys: str) -> None:
    assert keys_of(said) == keys


def test_a_statement_of_nobody_has_no_model() -> None:
    assert model_of("show tables") == ""
    assert model_of(SEED) == "segments"
