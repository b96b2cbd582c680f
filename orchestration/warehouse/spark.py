"""Spark as the warehouse, through its Thrift server; types and values look as those of DuckDB.

Plain Spark keeps tables as files that nobody changes, and knows no transactions: a change of rows
writes the table anew, and a change of several statements that is broken off stays half done. What
is done about that is the business of the callers, who do everything again.
"""

from __future__ import annotations

import re
import secrets
import tempfile
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyhive import exc, hive
from sqlglot import exp
from thrift.Thrift import TException

from orchestration.settings import MEMORY_LIMIT
from orchestration.warehouse.dialects import OWN, read, reworded, spread_rows, whole
from orchestration.warehouse.duckdb_files import open_scratch, write_parquet
from orchestration.warehouse.session import (
    EngineError,
    Parameters,
    UnreachableError,
    WarehouseError,
)
from orchestration.warehouse.spark_changes import counted, rewritten, value_in_words
from orchestration.warehouse.spark_views import DIALECT, NOT_THERE, Relations, SparkViews

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Sequence, Set

    from orchestration.settings import Server

CATALOG = "spark_catalog"
# Tables that live as long as a session: each has a schema of its own for them, made when the first
# one is, named by the day; a name without a schema is looked for there.
WORK = re.compile(r"lifestage_work_(\d{8})_[0-9a-f]{16}")
# What a table is to hold lies in a schema of its own while it is written over, and stays there if
# that fails. It has its name only once it is whole: before that nobody misses it.
REWRITTEN = "lifestage_rewritten_"
UNFINISHED = "unfinished"
DAYS_END = "99999999"
TWO_DAYS = (
    "select date_format(current_date(), 'yyyyMMdd'),"
    " date_format(date_sub(current_date(), 1), 'yyyyMMdd')"
)
ROWS_PER_INSERT = 1000
# Before a last line break there is a $, too.
END = r"\z"
# What is overwritten here is a whole table, and no partition of it may stay. Values stand in the
# statements, and what looks like a variable in one is none.
SETTINGS = {
    "set:hiveconf:spark.sql.sources.partitionOverwriteMode": "static",
    "set:hiveconf:spark.sql.variable.substitute": "false",
}
# An error begins with the name of its condition.
CONDITION = re.compile(r"\[([A-Z][A-Z0-9_]+)[.\]]")
OWN_TYPES = {
    "string": "VARCHAR",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "timestamp_ntz": "TIMESTAMP",
}


class SparkSession(SparkViews):
    """A connection to a Thrift server, and what may be used here to read files for it."""

    def __init__(self, connection: hive.Connection, memory_limit: str, threads: int) -> None:
        self.connection = connection
        self._scratch = partial(open_scratch, memory_limit, threads)
        self.database = CATALOG
        self._work = ""

    def run(self, sql: str, parameters: Parameters = ()) -> None:
        """Run a statement to its end; one that changes rows writes its table anew."""
        tree = _tree(sql, parameters)
        if isinstance(tree, (exp.Update, exp.Delete)):
            self._rewrite(tree)
        elif not isinstance(tree, (exp.Transaction, exp.Commit, exp.Rollback)):
            if _is_for_session(tree):
                self._open_work()
            for said in _said(tree):
                self._executed(said)

    def begin(self) -> None:
        """Do nothing: there are no transactions."""

    def commit(self) -> None:
        """Do nothing: what was done is kept already."""

    def rollback(self) -> None:
        """Do nothing: what was done is kept."""

    def relations(self, database: str) -> Set[tuple[str, str]]:
        """Name the tables and views as pairs of schema and name."""
        del database  # a session sees one catalog
        return Relations(self)

    def columns(self, database: str, schema: str, name: str) -> list[tuple[str, str, str | None]]:
        """Name the columns of a table or view in order, each with type and comment."""
        del database  # a session sees one catalog
        try:
            described = self.plain(f"describe `{schema}`.`{name}`")
        except EngineError as error:
            if error.kind in NOT_THERE:
                return []
            raise
        found = []
        for column, kind, comment in described:
            if not column or column.startswith("#"):
                break
            found.append((column, _own_type(kind), comment or None))
        return found

    def views(self, schema: str) -> set[str]:
        """Name the views of a schema."""
        return {row[1] for row in self.plain(f"show views in `{schema}`")}

    def shape(self, query: str) -> list[tuple[str, str]]:
        """Name the columns that a query without values gives, each with its type."""
        (said,) = _said(_tree(query, ()))
        rows = self._executed(f"describe query {said}").fetchall()
        return [(row[0], _own_type(row[1])) for row in rows]

    def comment(self, relation: str, column: str, text: str) -> None:
        """Say in the warehouse what a column of a table means."""
        said = exp.Literal.string(text).sql(DIALECT)
        self._executed(
            f"alter table {relation.replace(chr(34), '`')} change column `{column}` comment {said}"
        )

    def plain(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement in the server's own words and fetch its rows, if it has any."""
        cursor = self._executed(sql)
        rows = cursor.fetchall() if cursor.description else []
        cursor.close()
        return rows

    def compact(self, schemas: Collection[str]) -> None:
        """Drop what killed sessions left; a table written anew leaves no file of the old one.

        Raises:
            WarehouseError: The rows of a table that was not written to its end wait for a person.
        """
        del schemas
        for copies in sorted(name for name in self.schemas() if name.startswith(REWRITTEN)):
            if set(self.own_tables(copies)) - {UNFINISHED}:
                raise WarehouseError(
                    "Spark broke off while a table was written over; what it is to hold is in the"
                    f" schema {copies}: where the table lacks it, insert it over the table; then"
                    " drop the schema"
                )
            self.drop_schema(copies)
        self._drop_work(DAYS_END)

    def make_table(self, relation: str, columns: Sequence[tuple[str, str, str]]) -> None:
        """Make an empty table, with its comments in one statement."""
        listed = ", ".join(
            f"`{name}` {exp.DataType.build(kind, dialect=OWN).sql(DIALECT)}"
            f" comment {exp.Literal.string(comment).sql(DIALECT)}"
            for name, kind, comment in columns
        )
        self._executed(f"create table {relation.replace(chr(34), '`')} ({listed}) using parquet")

    def insert(self, relation: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add rows that Python holds to a table, many at once."""
        named = ", ".join(f"`{column}`" for column in columns)
        place = relation.replace('"', "`")
        for start in range(0, len(rows), ROWS_PER_INSERT):
            values = ", ".join(
                f"({', '.join(value_in_words(value).sql(DIALECT) for value in row)})"
                for row in rows[start : start + ROWS_PER_INSERT]
            )
            self._executed(f"insert into {place} ({named}) values {values}")

    def add_from_file(
        self, relation: str, query: str, parameters: Sequence[Any], work: Path
    ) -> None:
        """Add what DuckDB reads from a file, through a Parquet file that the workers can read."""
        place = relation.replace('"', "`")
        with tempfile.TemporaryDirectory(dir=work, prefix="load-") as folder:
            rows = Path(folder) / "rows.parquet"
            with self._scratch() as files:
                files.run("create table rows_of_file as " + query, parameters)
                write_parquet(files, "select * from rows_of_file", rows)
            # Columns go by their place, as everywhere else.
            names = ", ".join(
                f"`{name}`" for name, _, _ in self.columns(CATALOG, *self._parts(place))
            )
            self._executed(f"insert into {place} ({names}) select * from parquet.`{rows}`")

    def close(self) -> None:
        """Drop what is kept for the time of the session, and close it."""
        try:
            if self._work:
                self.drop_schema(self._work)
        finally:
            self.connection.close()

    def _fetch(
        self, sql: str, parameters: Parameters, most: int
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        tree = _tree(sql, parameters)
        if isinstance(tree, (exp.Update, exp.Delete)):
            return ["count"], [(self._rewrite(tree),)]
        (said,) = _said(tree)
        cursor = self._executed(said)
        described = cursor.description or ()
        rows = cursor.fetchmany(most)
        cursor.close()
        kinds = [column[1] for column in described]
        names = [column[0].rpartition(".")[2] for column in described]
        return names, [_own_values(row, kinds) for row in rows]

    def _rewrite(self, tree: exp.Update | exp.Delete) -> int:
        """Write a table anew: beside it first, because what is overwritten cannot be read.

        Returns:
            How many rows were changed; without any the table is left alone.
        """
        rows = self._executed(counted(tree).sql(DIALECT)).fetchall()[0][0]
        if not rows:
            return 0
        place = tree.this.copy()
        place.set("alias", None)
        columns = [name for name, _, _ in self.columns(CATALOG, *self._parts(place.sql(DIALECT)))]
        query = rewritten(tree, columns).sql(DIALECT)
        copies = f"{REWRITTEN}{secrets.token_hex(8)}"
        copy = f"{copies}.`{place.name}`"
        self._executed(f"create schema {copies}")
        try:
            self._executed(f"create table {copies}.{UNFINISHED} using parquet as {query}")
            self._executed(f"alter table {copies}.{UNFINISHED} rename to {copy}")
        except EngineError:
            # Why it failed is the first error; what stays of the copy goes with the next erasure.
            with suppress(EngineError):
                self.drop_schema(copies)
            raise
        written = place.sql(DIALECT)
        try:
            self._executed(f"insert overwrite table {written} select * from {copy}")
        except EngineError as error:
            raise WarehouseError(
                f"Spark broke off while {written} was written over ({error.kind}), which may have"
                f" lost its rows: all that it is to hold are in {copy}; insert them over it, then"
                f" drop the schema {copies}"
            ) from None
        self.drop_schema(copies)
        return rows

    def _open_work(self) -> None:
        """Make the schema of what lives as long as the session, and remove forgotten ones."""
        if self._work:
            return
        ((today, yesterday),) = self.plain(TWO_DAYS)
        self._drop_work(yesterday)
        self._work = f"lifestage_work_{today}_{secrets.token_hex(8)}"
        self._executed(f"create schema {self._work}")
        self._executed(f"use {self._work}")

    def _drop_work(self, before: str) -> None:
        """Drop what killed sessions left; a session that runs longer than a day is not expected."""
        for schema in self.schemas() - {self._work}:
            named = WORK.fullmatch(schema)
            if named and named[1] < before:
                self.drop_schema(schema)

    def _parts(self, place: str) -> tuple[str, str]:
        """Split what names a table into schema and name."""
        schema, _, name = place.replace("`", "").rpartition(".")
        return schema.removeprefix(f"{CATALOG}.") or self._work, name

    def _executed(self, said: str) -> hive.Cursor:
        cursor = self.connection.cursor()
        try:
            cursor.execute(said)
        except (exc.Error, TException) as error:
            said = str(error)
            named = CONDITION.search(said)
            # The cause would be stored with its words.
            raise EngineError(named[1] if named else type(error).__name__, said) from None
        return cursor


@contextmanager
def open_spark(
    server: Server, memory_limit: str = MEMORY_LIMIT, threads: int = 2
) -> Generator[SparkSession]:
    """Open a connection for the time of the block; what is kept for its time goes with it.

    Args:
        server: Where the Thrift server is and who asks.
        memory_limit: What reading a file may take here.
        threads: How many of them read it.

    Raises:
        WarehouseError: There is no way in.
    """
    try:
        connection = hive.connect(
            server.host, server.port, username=server.user, configuration=SETTINGS
        )
    except (exc.Error, TException, OSError) as error:
        raise UnreachableError(
            f"Spark at {server.host}:{server.port} lets nobody in ({type(error).__name__}):"
            " look at LIFESTAGE_SPARK_HOST and LIFESTAGE_SPARK_PORT"
        ) from error
    session = SparkSession(connection, memory_limit, threads)
    try:
        yield session
    finally:
        session.close()


def _tree(sql: str, parameters: Parameters) -> exp.Expr:
    """Read a statement and write its values into it: the server binds none."""
    statement = read(sql)
    values = statement.values(parameters)
    filled = statement.filled(
        {name: value_in_words(value) for name, value in zip(statement.names, values, strict=True)}
    )
    return reworded(spread_rows(filled), _in_own_words)


def _in_own_words(node: exp.Expr) -> exp.Expr:
    """Say what sqlglot leaves as it is."""
    if isinstance(node, exp.Anonymous) and node.name.lower() == "to_years":
        return exp.func("make_ym_interval", *node.expressions)
    if isinstance(node, exp.RegexpFullMatch):
        return exp.RegexpLike(this=node.this, expression=whole(node.expression, END))
    return node


def _is_for_session(tree: exp.Expr) -> bool:
    """Tell whether a statement makes a temporary table."""
    return isinstance(tree, exp.Create) and tree.find(exp.TemporaryProperty) is not None


def _said(tree: exp.Expr) -> tuple[str, ...]:
    """Say a statement in Spark's words; a table is of Parquet, and no table is for a session."""
    if isinstance(tree, exp.Drop) and tree.kind == "TABLE":
        tree.set("cascade", None)
    if not isinstance(tree, exp.Create) or tree.kind != "TABLE":
        return (tree.sql(DIALECT),)
    made = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    before = (f"drop table if exists {made.sql(DIALECT)}",) if tree.args.get("replace") else ()
    kept = " if not exists" if tree.args.get("exists") else ""
    query = f" as {tree.expression.sql(DIALECT)}" if tree.expression else ""
    return (*before, f"create table{kept} {tree.this.sql(DIALECT)} using parquet{query}")


def _own_type(kind: str) -> str:
    if kind.startswith("decimal"):
        return kind.upper().replace(" ", "")
    return OWN_TYPES.get(kind, kind.upper())


def _own_values(row: Sequence[Any], kinds: list[str]) -> tuple[Any, ...]:
    return tuple(_own_value(value, kind) for value, kind in zip(row, kinds, strict=True))


def _own_value(value: Any, kind: str) -> Any:
    if kind == "DATE_TYPE" and isinstance(value, str):
        return date.fromisoformat(value)
    if kind == "TIMESTAMP_TYPE" and isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    return value
