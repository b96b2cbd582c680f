"""What every engine can do for the rest of the code: run statements, give small results.

Statements are written in the dialect of DuckDB, values are bound to `?` in their order or to
`$name`; an engine that speaks otherwise translates (`orchestration.warehouse.dialects`). What is
asked and what is made of the answers is the business of the callers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence, Set
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

# Values of a statement, in order or by name.
Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any]
SMALL_RESULT = 10_000
PASSING = (
    *("out of memory", "deadlock detected", "terminating connection", "server closed the"),
    *("could not connect", "connection refused", "connection timed out", "connection reset"),
    *("connection to server", "ttransportexception", "tsocket"),
)


class WarehouseError(Exception):
    """The warehouse cannot do what was asked; one line with the remedy."""


class UnreachableError(WarehouseError):
    """There is no way to the engine at the moment; one line with the remedy."""


class EngineError(Exception):
    """An engine refused a statement; its own words may hold values, so only the kind is told.

    Attributes:
        kind: What the engine calls such an error.
        said: Its own words.
    """

    def __init__(self, kind: str, said: str) -> None:
        super().__init__(kind)
        self.kind = kind
        self.said = said


def may_pass(said: str) -> bool:
    """Tell from an engine's words whether the next attempt may go better."""
    return any(mark in said.lower() for mark in PASSING)


class Session(ABC):
    """An open connection that runs statements and fetches small results.

    Attributes:
        database: The name that stands before schemas in this session.
    """

    database: str

    @abstractmethod
    def run(self, sql: str, parameters: Parameters = ()) -> None:
        """Run a statement to its end and leave no open result behind.

        Raises:
            EngineError: The engine refuses it.
        """

    @abstractmethod
    def _fetch(
        self, sql: str, parameters: Parameters, most: int
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Fetch the names of the columns and at most so many rows; leave no open result behind."""

    def relations(self, database: str) -> Set[tuple[str, str]]:
        """Name the tables and views of an open database as pairs of schema and name."""
        rows = self.fetch(
            "select table_schema, table_name from information_schema.tables"
            " where table_catalog = ?",
            [database],
        )
        return {(schema, name) for schema, name in rows}

    @abstractmethod
    def columns(self, database: str, schema: str, name: str) -> list[tuple[str, str, str | None]]:
        """Name the columns of a table or view in order, each with type and comment.

        Types are named as DuckDB names them, whatever the engine calls them.
        """

    @abstractmethod
    def views(self, schema: str) -> set[str]:
        """Name the views of a schema of the session's own database."""

    @abstractmethod
    def shape(self, query: str) -> list[tuple[str, str]]:
        """Name the columns that a query without values gives, each with its type."""

    @abstractmethod
    def comment(self, relation: str, column: str, text: str) -> None:
        """Say in the warehouse what a column of a table means."""

    @abstractmethod
    def add_from_file(
        self, relation: str, query: str, parameters: Sequence[Any], work: Path
    ) -> None:
        """Add what DuckDB reads from a file to a table that has the columns of the query.

        Args:
            relation: The table.
            query: What is read, in DuckDB's words.
            parameters: The values of the query.
            work: A folder for files on their way.

        Raises:
            EngineError: The file cannot be read, or the engine does not take the rows.
        """

    @abstractmethod
    def compact(self, schemas: Collection[str]) -> None:
        """Write tables anew, so that as little as the engine can is left of rows that are gone.

        Args:
            schemas: Where they are; others in the same database may not be ours.

        Raises:
            EngineError: The engine refuses it.
        """

    @abstractmethod
    def insert(self, relation: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add rows that Python holds to a table.

        Args:
            relation: The table.
            columns: Its columns that get values.
            rows: A value per column.
        """

    def make_table(self, relation: str, columns: Sequence[tuple[str, str, str]]) -> None:
        """Make an empty table.

        Args:
            relation: Its name.
            columns: Its columns in order, each with type and comment.
        """
        listed = ", ".join(f"{name} {kind}" for name, kind, _ in columns)
        self.run(f"create table {relation} ({listed})")
        describe_table(self, relation, [(name, comment) for name, _, comment in columns])

    def begin(self) -> None:
        """Begin a change that is kept whole or not at all."""
        self.run("begin transaction")

    def commit(self) -> None:
        """Keep a change."""
        self.run("commit")

    def rollback(self) -> None:
        """Take a change back."""
        self.run("rollback")

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
            EngineError: The engine refuses the query.
        """
        return self._small(sql, parameters, cap)[1]

    def fetch_records(
        self, sql: str, parameters: Parameters = (), cap: int = SMALL_RESULT
    ) -> list[dict[str, Any]]:
        """Fetch a small result as one mapping of column to value per row."""
        names, rows = self._small(sql, parameters, cap)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def _small(
        self, sql: str, parameters: Parameters, cap: int
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        names, rows = self._fetch(sql, parameters, cap + 1)
        if len(rows) > cap:
            raise WarehouseError(f"a result has more than {cap} rows: aggregate it in SQL")
        return names, rows


def quoted(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | Path) -> str:
    """Quote a text for the few statements that bind no values (attach, copy, comment)."""
    return "'" + str(value).replace("'", "''") + "'"


def describe_table(
    session: Session, relation: str, comments: Sequence[tuple[str, str | None]]
) -> None:
    """Comment the columns of a table, given as pairs of name and comment."""
    for name, comment in comments:
        if comment:
            session.comment(relation, name, comment)


def keep_table(
    session: Session, schema: str, name: str, columns: Sequence[tuple[str, str, str]]
) -> None:
    """Make a table; one of an earlier version gets the columns and the comments that it lacks.

    Args:
        session: The warehouse, open for writing.
        schema: Where it is.
        name: The table.
        columns: Its columns in order, each with type and comment.
    """
    relation = f"{schema}.{name}"
    there = session.columns(session.database, schema, name)
    if not there:
        session.make_table(relation, columns)
        return
    told = {column: comment for column, _, comment in there}
    for column, kind, _ in columns:
        if column not in told:
            session.run(f"alter table {relation} add column {column} {kind}")
    lacking = [(column, said) for column, _, said in columns if told.get(column) != said]
    describe_table(session, relation, lacking)


@contextmanager
def transaction(session: Session) -> Generator[None]:
    """Make the block one change: all of it is kept, or, after an error, nothing."""
    session.begin()
    try:
        yield
    except BaseException:
        session.rollback()
        raise
    session.commit()
