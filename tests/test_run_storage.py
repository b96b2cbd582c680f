"""The storage of the run history: other connections, the same files and the same events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from orchestration.run_storage import MOST_KEPT, RunStorage

if TYPE_CHECKING:
    from pathlib import Path

KEPT = {"custom": {"module": RunStorage.__module__, "class": RunStorage.__name__}}
DAGSTERS_OWN = {"sqlite": {}}


@dg.asset
def counted() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"rows": 3})


def opened(home: Path, storage: dict[str, dict[str, str]]) -> dg.DagsterInstance:
    (kind,) = storage
    options = {"config": {"base_dir": str(home)}} if kind == "custom" else {"base_dir": str(home)}
    overrides = {"storage": {kind: storage[kind] | options}}
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home), overrides=overrides))


def events(instance: dg.DagsterInstance) -> dict[str, list[tuple[str | None, str]]]:
    return {
        run.run_id: [(one.step_key, one.user_message) for one in instance.all_logs(run.run_id)]
        for run in instance.get_runs()
    }


def test_more_runs_than_files_are_kept_open_are_read_as_dagster_reads_them(tmp_path: Path) -> None:
    with opened(tmp_path, KEPT) as instance:
        for _ in range(MOST_KEPT + 2):
            assert dg.materialize([counted], instance=instance).success
        told = events(instance)
        assert len(told) == MOST_KEPT + 2
        assert all(len(one) > 5 for one in told.values())
        with opened(tmp_path, DAGSTERS_OWN) as other:
            assert events(other) == told
            assert dg.materialize([counted], instance=other).success
        assert events(instance).keys() > told.keys()
        record = instance.fetch_materializations(counted.key, limit=100).records
        assert len(record) == MOST_KEPT + 3

    with opened(tmp_path, KEPT) as instance:
        assert len(events(instance)) == MOST_KEPT + 3
        instance.wipe()
        assert events(instance) == {}
        assert dg.materialize([counted], instance=instance).success
        assert len(events(instance)) == 1
