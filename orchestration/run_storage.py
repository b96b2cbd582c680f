"""How the run history is stored: Dagster's SQLite files, each with a connection that is kept.

Dagster opens a file anew for every event, and a night has two thousand of them; that was a sixth of
its work (docs/performance.md). What the files hold is Dagster's own; `dagster.yaml` names this
class. What is read from the history is in `orchestration.run_history`.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sql import create_engine
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage, SqliteStorageConfig
from sqlalchemy import event
from sqlalchemy.pool import StaticPool

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Generator
    from typing import Self

    from dagster._serdes import ConfigurableClassData
    from sqlalchemy.engine import Connection, Engine

# The file of the run and that of all runs; `dagster dev` looks into those of other runs.
MOST_KEPT = 4


class RunStorage(DagsterSqliteStorage):
    """Dagster's storage in SQLite files, with events written through kept connections."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        # Where Dagster's own storage has put them, so that a history of before is read on.
        self._event_log_storage = _KeptEventLog(str(Path(base_dir, "history", "runs")))

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: SqliteStorageConfig
    ) -> Self:
        """Build the storage that `dagster.yaml` describes."""
        return cls.from_local(inst_data=inst_data, base_dir=config_value["base_dir"])


class _KeptEventLog(SqliteEventLogStorage):
    """One connection per file, used by one thread at a time under Dagster's own lock."""

    def __init__(self, base_dir: str) -> None:
        self._kept: OrderedDict[str, Engine] = OrderedDict()
        super().__init__(base_dir)

    @contextmanager
    def _connect(self, shard: str) -> Generator[Connection]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _engine(self, shard: str) -> Engine:
        engine = self._kept.pop(shard, None)
        if engine is None:
            engine = create_engine(
                self.conn_string_for_shard(shard),
                poolclass=StaticPool,
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
            )
            event.listen(engine, "connect", _without_waiting)
        self._kept[shard] = engine
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)[1].dispose()
        return engine

    def wipe(self) -> None:
        self._close()
        super().wipe()

    def dispose(self) -> None:
        super().dispose()
        self._close()

    def _close(self) -> None:
        with self._db_lock:
            while self._kept:
                self._kept.popitem()[1].dispose()


def _without_waiting(connection: sqlite3.Connection, _: object) -> None:
    """Do not wait for the disk at every event.

    In the write-ahead mode of SQLite, which Dagster uses, the file stays whole; a power cut may
    lose the last events.
    """
    connection.execute("pragma synchronous = normal")
