"""Reads what a Spark cluster did out of its log of events: tasks, CPU, bytes, and shuffles by key.

What is run on a cluster is decided in `benchmarks.spark_workers`.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

# dbt begins every statement with a comment that names the model.
NODE = re.compile(r'"node_id": "[a-z]+\.[a-z_]+\.(\w+)"')
KEYS = re.compile(
    r"Exchange (\w+?)(?:partitioning)?(?:\((.*?)\))?, (?:ENSURE|REPARTITION|REBALANCE)"
)
NUMBER_OF_COLUMN = re.compile(r"#\d+L?")
SQL = "org.apache.spark.sql.execution.ui.SparkListenerSQL"
STARTED, REPLANNED = f"{SQL}ExecutionStart", f"{SQL}AdaptiveExecutionUpdate"
SHUFFLED = "shuffle bytes written"


@dataclass
class Work:
    """What was done for one model, or for all of them.

    Attributes:
        tasks: How many tasks each executor did.
        stages: The stages that had tasks.
        cpu: CPU seconds of the executors.
        shuffled: Bytes written for other executors to read.
        spilled: Bytes that did not fit into memory.
        written: Bytes written to tables.
    """

    tasks: Counter[str] = field(default_factory=Counter)
    stages: set[int] = field(default_factory=set)
    cpu: float = 0
    shuffled: int = 0
    spilled: int = 0
    written: int = 0

    def add(self, event: dict[str, Any]) -> None:
        """Count a task that has ended."""
        metrics = event["Task Metrics"]
        self.tasks[event["Task Info"]["Executor ID"]] += 1
        self.stages.add(event["Stage ID"])
        self.cpu += metrics["Executor CPU Time"] / 1e9
        self.shuffled += metrics["Shuffle Write Metrics"]["Shuffle Bytes Written"]
        self.spilled += metrics["Disk Bytes Spilled"]
        self.written += metrics["Output Metrics"]["Bytes Written"]


@dataclass
class Log:
    """What a log of events tells.

    Attributes:
        total: All models together.
        models: Each model.
        exchanges: Bytes of each shuffle, by model and by what rows are brought together by.
    """

    total: Work = field(default_factory=Work)
    models: dict[str, Work] = field(default_factory=dict)
    exchanges: dict[str, list[tuple[str, int]]] = field(default_factory=dict)


def read_log(lines: Iterable[str]) -> Log:
    """Read the events of one application; statements that are not dbt's are passed over."""
    reader = _Reader()
    for line in lines:
        reader.take(json.loads(line))
    return reader.log()


class _Reader:
    """What is known of an application so far."""

    def __init__(self) -> None:
        self._models: dict[str, Work] = {}
        self._total = Work()
        self._model_of_stage: dict[int, str] = {}
        # By execution, because a plan that is changed while it runs comes again as a whole.
        self._model_of_execution: dict[int, str] = {}
        self._planned: dict[int, dict[int, str]] = {}
        self._counted: Counter[int] = Counter()

    def take(self, event: dict[str, Any]) -> None:
        """Note what an event tells."""
        kind = event["Event"]
        if kind == "SparkListenerJobStart":
            said = event["Properties"].get("spark.job.description", "")
            self._model_of_stage |= dict.fromkeys(event["Stage IDs"], model_of(said))
        elif kind == STARTED:
            self._model_of_execution[event["executionId"]] = model_of(event["description"])
            self._plan(event)
        elif kind == REPLANNED:
            self._plan(event)
        elif kind == "SparkListenerTaskEnd":
            self._count(event)

    def log(self) -> Log:
        """Tell what is known."""
        exchanges: dict[str, list[tuple[str, int]]] = {}
        for execution, found in self._planned.items():
            # A plan that is changed may be that of a statement before what is read.
            if model := self._model_of_execution.get(execution, ""):
                listed = [(keys, self._counted[number]) for number, keys in found.items()]
                exchanges.setdefault(model, []).extend(listed)
        return Log(self._total, self._models, exchanges)

    def _plan(self, event: dict[str, Any]) -> None:
        self._planned[event["executionId"]] = dict(shuffles(event["sparkPlanInfo"]))

    def _count(self, event: dict[str, Any]) -> None:
        for one in event["Task Info"]["Accumulables"]:
            if one.get("Name") == SHUFFLED:
                self._counted[one["ID"]] += int(one["Update"])
        model = self._model_of_stage.get(event["Stage ID"])
        # A task that failed has no metrics and is done once more.
        if model and event.get("Task Metrics"):
            self._total.add(event)
            self._models.setdefault(model, Work()).add(event)


def model_of(statement: str) -> str:
    """Name the model that a statement of dbt belongs to; empty if it is not one of dbt."""
    found = NODE.search(statement)
    return found[1] if found else ""


def shuffles(plan: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """List the shuffles of a plan: where their bytes are counted, and the keys of their rows."""
    if plan["nodeName"] == "Exchange":
        for metric in plan["metrics"]:
            if metric["name"] == SHUFFLED:
                yield metric["accumulatorId"], keys_of(plan["simpleString"])
    for child in plan["children"]:
        yield from shuffles(child)


def keys_of(exchange: str) -> str:
    """Say by what a shuffle brings rows together.

    Args:
        exchange: What the plan says of it, with columns that have numbers.
    """
    found = KEYS.match(exchange)
    if found is None:
        return exchange
    keys = NUMBER_OF_COLUMN.sub("", found[2] or "").rpartition(",")[0]
    return keys if found[1] == "hash" else " ".join(filter(None, (found[1], keys)))
