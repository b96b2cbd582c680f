"""The only place that knows the engine: opening and closing it, statements, small results.

What is asked and what is made of the answers is the business of the callers. Tables are built by
dbt, which opens the same file from a process of its own, so nothing here keeps a connection open
between two steps.
"""

from __future__ import annotations

import fcntl
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

# Values of a statement, in order or by name.
Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any]
# The oldest format that present DuckDB can write: clients of every 1.x release open it.
READABLE_STORAGE = "v1.0.0"
SMALL_RESULT = 10_000
WAIT_FOR_LOCK_SECONDS = 3600
LOCK_HOLDER = re.compile(r"lock is held in (.+?) \(PID (\d+)\)")
# What the engine raises; its words may hold values of the data.
EngineError = duckdb.Error


class WarehouseError(Exception):
    """The warehouse cannot do what was asked; one line with the remedy."""


class Session:
    """An open connection that runs statements and fetches small results."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def run(self, sql: str, parameters: Parameters = ()) -> None:
        """Run a statement to its end and leave no open result behind."""
        self.connection.execute(sql, _bound(parameters)).fetchall()

    def fetch(
        self, sql: str, parameters: Parameters = (), cap: int = SMALL_RESULT
    ) -> list[tuple[Any, ...]]:
        """Fetch all rows of a small result.

        Args:
            sql: A query; values are bound, never written into it.
            parameters: The values, in order or by name.
            cap: The most rows that are small.

        Raises:
            WarehouseError: There are more rows: the work belongs into SQL.
        """
        rows = self.connection.execute(sql, _bound(parameters)).fetchmany(cap + 1)
        if len(rows) > cap:
            # An unread rest would block the connection.
            self.connection.execute("select 1").fetchall()
            raise WarehouseError(f"a result has more than {cap} rows: aggregate it in SQL")
        return rows

    def fetch_records(
        self, sql: str, parameters: Parameters = (), cap: int = SMALL_RESULT
    ) -> list[dict[str, Any]]:
        """Fetch a small result as one mapping of column to value per row."""
        rows = self.fetch(sql, parameters, cap)
        names = [column[0] for column in self.connection.description or ()]
        return [dict(zip(names, row, strict=True)) for row in rows]

    def relations(self, database: str) -> set[tuple[str, str]]:
        """Name the tables and views of an open database as pairs of schema and name."""
        rows = self.fetch(
            "select table_schema, table_name from information_schema.tables"
            " where table_catalog = ?",
            [database],
        )
        return {(schema, name) for schema, name in rows}

    def columns(self, database: str, schema: str, name: str) -> list[tuple[str, str, str | None]]:
        """Name the columns of a table or view in order, each with type and comment."""
        rows = self.fetch(
            "select column_name, data_type, comment from duckdb_columns()"
            " where database_name = ? and schema_name = ? and table_name = ?"
            " order by column_index",
            [database, schema, name],
        )
        return [(column, kind, comment) for column, kind, comment in rows]


def _bound(parameters: Parameters) -> list[Any] | dict[str, Any]:
    return dict(parameters) if isinstance(parameters, Mapping) else list(parameters)


def quoted(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | Path) -> str:
    """Quote a text for the few statements that bind no values (attach, copy, comment)."""
    return "'" + str(value).replace("'", "''") + "'"


@contextmanager
def open_database(path: Path, *, read_only: bool, memory_limit: str = "4GB") -> Generator[Session]:
    """Open a database file for the time of the block.

    Args:
        path: The file; it is made when missing, unless it is only to be read.
        read_only: Whether nothing will be written.
        memory_limit: The most memory the engine may take.

    Raises:
        WarehouseError: The file is missing, damaged, or in use by another process.
    """
    if read_only and not path.exists():
        raise WarehouseError(f"there is no {path.name} yet: run `lifestage refresh` first")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = duckdb.connect(
            path, read_only=read_only, config={"memory_limit": memory_limit}
        )
    except duckdb.Error as error:
        raise WarehouseError(why_not_open(path, str(error))) from error
    try:
        connection.execute("set TimeZone = 'UTC'").fetchall()
        yield Session(connection)
    finally:
        connection.close()


@contextmanager
def open_scratch(memory_limit: str = "4GB", threads: int = 2) -> Generator[Session]:
    """Open an empty engine that files are attached to; it writes rows in the order asked for."""
    connection = duckdb.connect(
        ":memory:", config={"memory_limit": memory_limit, "threads": threads}
    )
    try:
        connection.execute("set TimeZone = 'UTC'").fetchall()
        connection.execute("set preserve_insertion_order = true").fetchall()
        yield Session(connection)
    finally:
        connection.close()


def attach(session: Session, path: Path, name: str, *, read_only: bool) -> None:
    """Attach a database file under a name; a new file gets the format old clients can read."""
    option = "read_only" if read_only else f"storage_version {literal(READABLE_STORAGE)}"
    try:
        session.run(f"attach {literal(path)} as {quoted(name)} ({option})")
    except duckdb.Error as error:
        raise WarehouseError(why_not_open(path, str(error))) from error


def describe_table(
    session: Session, relation: str, comments: Sequence[tuple[str, str | None]]
) -> None:
    """Comment the columns of a table, given as pairs of name and comment."""
    for name, comment in comments:
        if comment:
            session.run(f"comment on column {relation}.{quoted(name)} is {literal(comment)}")


def write_parquet(session: Session, query: str, path: Path) -> None:
    """Write an ordered query to a Parquet file whose bytes depend on its rows alone."""
    session.run(
        f"copy ({query}) to {literal(path)}"
        " (format parquet, compression zstd, row_group_size 122880)"
    )


def read_parquet(path: Path) -> str:
    """Return what stands for a Parquet file in a `from` clause."""
    return f"read_parquet({literal(path)})"


@contextmanager
def transaction(session: Session) -> Generator[None]:
    """Make the block one change: all of it is kept, or, after an error, nothing."""
    session.run("begin transaction")
    try:
        yield
    except BaseException:
        session.run("rollback")
        raise
    session.run("commit")


@contextmanager
def only_writer(home: Path, on_wait: Callable[[], None] | None = None) -> Generator[None]:
    """Hold the installation for the time of the block; a second process waits for its turn.

    Args:
        home: The directory of the state.
        on_wait: Called once when there is somebody to wait for.

    Raises:
        WarehouseError: The other process did not finish.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".writer").open("w") as file:
        waited = 0
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if waited == 0 and on_wait is not None:
                    on_wait()
                if waited >= WAIT_FOR_LOCK_SECONDS:
                    raise WarehouseError(
                        "another run still holds the warehouse: wait for it or end it"
                    ) from None
                time.sleep(1)
                waited += 1
        yield


def why_not_open(path: Path, said: str) -> str:
    """Say in one line why a file cannot be opened, and which process holds it if one does.

    Args:
        path: The file.
        said: What the engine said about it.
    """
    if "lock" not in said.lower():
        return f"{path.name} cannot be opened: {said.splitlines()[0]}"
    holder = LOCK_HOLDER.search(said)
    by = f"{holder[1].rpartition('/')[2]}, process {holder[2]}" if holder else "another program"
    return (
        f"{path.name} is open in {by}: close it there and run again;"
        " what others may read is in published/"
    )
