"""Files of DuckDB: the warehouse of an installation without a server, and what is published.

dbt opens the same file, so nothing here keeps a connection open between two steps.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.settings import MEMORY_LIMIT
from orchestration.warehouse.session import (
    EngineError,
    Parameters,
    Session,
    WarehouseError,
    literal,
    quoted,
)

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

# The oldest format that present DuckDB can write: clients of every 1.x release open it.
READABLE_STORAGE = "v1.0.0"
LOCKED = ("could not set lock", "conflicting lock")
LOCK_HOLDER = re.compile(r"lock is held in (.+?) \(PID (\d+)\)")


class DuckdbSession(Session):
    """A connection to DuckDB, and to the files that are attached to it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.database = connection.execute("select current_database()").fetchall()[0][0]

    def run(self, sql: str, parameters: Parameters = ()) -> None:
        """Run a statement to its end and leave no open result behind."""
        with _told():
            self._executed(sql, parameters).fetchall()

    def columns(self, database: str, schema: str, name: str) -> list[tuple[str, str, str | None]]:
        """Name the columns of a table or view in order, each with type and comment."""
        rows = self.fetch(
            "select column_name, data_type, comment from duckdb_columns()"
            " where database_name = ? and schema_name = ? and table_name = ?"
            " order by column_index",
            [database, schema, name],
        )
        return [(column, kind, comment) for column, kind, comment in rows]

    def views(self, schema: str) -> set[str]:
        """Name the views of a schema."""
        rows = self.fetch(
            "select table_name from information_schema.tables where table_catalog = ?"
            " and table_schema = ? and table_type = 'VIEW'",
            [self.database, schema],
        )
        return {name for (name,) in rows}

    def shape(self, query: str) -> list[tuple[str, str]]:
        """Name the columns that a query without values gives, each with its type."""
        return [(row[0], row[1]) for row in self.fetch(f"describe {query}")]

    def comment(self, relation: str, column: str, text: str) -> None:
        """Say in the warehouse what a column of a table means."""
        self.run(f"comment on column {relation}.{quoted(column)} is {literal(text)}")

    def add_from_file(
        self, relation: str, query: str, parameters: Sequence[Any], work: Path
    ) -> None:
        """Add what is read from a file to a table that has the columns of the query."""
        del work  # the rows go straight into the table
        self.run("set preserve_insertion_order = false")
        self.run(f"insert into {relation} {query}", parameters)
        self.run("reset preserve_insertion_order")

    def insert(self, relation: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add rows that Python holds to a table."""
        if rows:
            named = ", ".join(quoted(column) for column in columns)
            places = ", ".join("unnest(?)" for _ in columns)
            values = [list(column) for column in zip(*rows, strict=True)]
            self.run(f"insert into {relation} ({named}) select {places}", values)

    def compact(self, schemas: Collection[str]) -> None:
        """Write everything into the file; blocks of it that are not used keep what they held."""
        del schemas  # the file is all ours
        self.run("checkpoint")

    def _fetch(
        self, sql: str, parameters: Parameters, most: int
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        with _told():
            executed = self._executed(sql, parameters)
            names = [column[0] for column in executed.description or ()]
            rows = executed.fetchmany(most)
        if len(rows) == most:
            # An unread rest would block the connection.
            self.connection.execute("select 1").fetchall()
        return names, rows

    def _executed(self, sql: str, parameters: Parameters) -> duckdb.DuckDBPyConnection:
        bound = dict(parameters) if isinstance(parameters, Mapping) else list(parameters)
        return self.connection.execute(sql, bound)


@contextmanager
def _told() -> Generator[None]:
    try:
        yield
    except duckdb.Error as error:
        # The cause would be stored with its words.
        raise EngineError(type(error).__name__, str(error)) from None


@contextmanager
def open_database(
    path: Path, *, read_only: bool, memory_limit: str = MEMORY_LIMIT
) -> Generator[DuckdbSession]:
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
        yield DuckdbSession(connection)
    finally:
        connection.close()


@contextmanager
def open_scratch(memory_limit: str = MEMORY_LIMIT, threads: int = 2) -> Generator[DuckdbSession]:
    """Open an empty engine that files are attached to; it writes rows in the order asked for."""
    connection = duckdb.connect(
        ":memory:", config={"memory_limit": memory_limit, "threads": threads}
    )
    try:
        connection.execute("set TimeZone = 'UTC'").fetchall()
        connection.execute("set preserve_insertion_order = true").fetchall()
        yield DuckdbSession(connection)
    finally:
        connection.close()


def attach(session: Session, path: Path, name: str, *, read_only: bool) -> None:
    """Attach a database file under a name; a new file gets the format old clients can read."""
    option = "read_only" if read_only else f"storage_version {literal(READABLE_STORAGE)}"
    try:
        session.run(f"attach {literal(path)} as {quoted(name)} ({option})")
    except EngineError as error:
        raise WarehouseError(why_not_open(path, error.said)) from error


def write_parquet(session: Session, query: str, path: Path) -> None:
    """Write an ordered query to a Parquet file whose bytes depend on its rows alone."""
    session.run(
        f"copy ({query}) to {literal(path)}"
        " (format parquet, compression zstd, row_group_size 122880)"
    )


def read_parquet(path: Path) -> str:
    """Return what stands for a Parquet file in a `from` clause."""
    return f"read_parquet({literal(path)})"


def is_locked(said: str) -> bool:
    """Tell whether the engine says that another process has the file."""
    return any(mark in said.lower() for mark in LOCKED)


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
