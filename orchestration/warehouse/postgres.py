"""PostgreSQL as the warehouse, through psycopg; types and values look as those of DuckDB.

How dbt gets there is decided by the profile, what is asked by the callers.
"""

from __future__ import annotations

import re
import tempfile
from contextlib import contextmanager
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from sqlglot import exp

from orchestration.settings import MEMORY_LIMIT
from orchestration.warehouse.dialects import Statement, read, reworded, spread_rows, whole
from orchestration.warehouse.duckdb_files import open_scratch
from orchestration.warehouse.postgres_views import PostgresViews
from orchestration.warehouse.session import (
    EngineError,
    Parameters,
    UnreachableError,
    WarehouseError,
    literal,
    quoted,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Sequence

    from orchestration.settings import Server

DIALECT = "postgres"
CHUNK_BYTES = 1 << 20
# How long a table may be in use before the rest has to wait for another attempt.
PATIENCE_SECONDS = 60
# By the two names that the server has for most of them.
OWN_TYPES = {
    "text": "VARCHAR",
    "character varying": "VARCHAR",
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "double precision": "DOUBLE",
    "real": "FLOAT",
    "boolean": "BOOLEAN",
    "varchar": "VARCHAR",
    "int2": "SMALLINT",
    "int4": "INTEGER",
    "int8": "BIGINT",
    "float8": "DOUBLE",
    "float4": "FLOAT",
    "bool": "BOOLEAN",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "date": "DATE",
    "timestamp without time zone": "TIMESTAMP",
    "timestamp with time zone": "TIMESTAMP WITH TIME ZONE",
    "uuid": "UUID",
}
# The number by which runs of Lifestage know each other's lock.
TURN = 0x4C69666573746167
# What it says of its collation depends on who provides it. Other encodings know other letters.
IS_UTF8 = b"select current_setting('server_encoding') = 'UTF8'"
BY_BYTES = b"select 'B' < 'a' and 'Z' < '_' and 'z' < U&'\\00e9'"
KNOWS_LETTERS = b"select lower(U&'\\00c4') = U&'\\00e4'"
CODE = re.compile(r"\\x(?:\{([0-9a-f]{1,4})\}|([0-9a-f]{2}))")
NUMERIC = re.compile(r"numeric(?:\((\d+), ?(\d+)\))?")


class PostgresSession(PostgresViews):
    """A connection to a server, and what may be used here to read files for it."""

    def __init__(
        self, connection: psycopg.Connection[Any], database: str, memory_limit: str, threads: int
    ) -> None:
        self.connection = connection
        self.database = database
        self._scratch = partial(open_scratch, memory_limit, threads)

    def run(self, sql: str, parameters: Parameters = ()) -> None:
        """Run a statement to its end."""
        self._executed(sql, parameters)

    def columns(self, database: str, schema: str, name: str) -> list[tuple[str, str, str | None]]:
        """Name the columns of a table or view in order, each with type and comment."""
        del database  # a session sees one
        with _told():
            rows = self.connection.execute(
                "select attname, format_type(atttypid, atttypmod), col_description(oid, attnum)"
                " from pg_attribute join pg_class on attrelid = oid"
                " where relnamespace = to_regnamespace($1) and relname = $2"
                " and attnum > 0 and not attisdropped order by attnum",
                [quoted(schema), name],
            ).fetchall()
        return [(column, _own_type(kind), comment) for column, kind, comment in rows]

    def views(self, schema: str) -> set[str]:
        """Name the views of a schema."""
        said = "select viewname from pg_views where schemaname = $1"
        return {name for (name,) in self.plain(said, [schema])}

    def shape(self, query: str) -> list[tuple[str, str]]:
        """Name the columns that a query without values gives, each with its type."""
        described = self._executed(f"select * from ({query}) as asked limit 0", ()).description
        return [(column.name, _own_type(column.type_display)) for column in described or ()]

    def take_turn(self) -> bool:
        """Hold the database against other runs until the connection ends, if nobody else does."""
        return self.plain(f"select pg_try_advisory_lock({TURN})")[0][0]

    def comment(self, relation: str, column: str, text: str) -> None:
        """Say in the warehouse what a column of a table means."""
        self.plain(f"comment on column {relation}.{quoted(column)} is {literal(text)}")

    def plain(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement in the server's own words and fetch its rows, if it has any."""
        with _told():
            cursor = self.connection.execute(sql.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def add_from_file(
        self, relation: str, query: str, parameters: Sequence[Any], work: Path
    ) -> None:
        """Add what DuckDB reads from a file, through a file of rows on the way."""
        with tempfile.TemporaryDirectory(dir=work, prefix="load-") as folder:
            rows = Path(folder) / "rows.csv"
            with self._scratch() as files:
                # Quoted, a text is never the mark of NULL.
                options = "format csv, header false, force_quote *, nullstr '\\N'"
                files.run(f"copy ({query}) to {literal(rows)} ({options})", parameters)
            said = f"copy {relation} from stdin (format csv, null '\\N')"
            with (
                _told(),
                rows.open("rb") as source,
                self.connection.cursor().copy(said.encode()) as sink,
            ):
                while part := source.read(CHUNK_BYTES):
                    sink.write(part)

    def insert(self, relation: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add rows that Python holds to a table."""
        named = ", ".join(quoted(column) for column in columns)
        said = f"copy {relation} ({named}) from stdin"
        with _told(), self.connection.cursor().copy(said.encode()) as sink:
            for row in rows:
                sink.write_row(row)

    def compact(self, schemas: Collection[str]) -> None:
        """Write the tables anew, so that nothing is left of rows that are gone."""
        with _told():
            tables = self.connection.execute(
                "select format('%I.%I', schemaname, tablename) from pg_tables"
                " where schemaname = any($1) order by 1",
                [list(schemas)],
            ).fetchall()
            self.connection.execute(f"set lock_timeout = '{PATIENCE_SECONDS}s'".encode())
            for (table,) in tables:
                self.connection.execute(f"vacuum full {table}".encode())
            self.connection.execute(b"reset lock_timeout")

    def _fetch(
        self, sql: str, parameters: Parameters, most: int
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        cursor = self._executed(sql, parameters)
        if cursor.description is None:
            # As DuckDB does, a change answers with the number of its rows.
            return ["count"], [(cursor.rowcount,)]
        with _told():
            rows = cursor.fetchmany(most)
        # Sums of whole numbers come as numbers of any length.
        free = [
            position
            for position, column in enumerate(cursor.description)
            if column.type_code == psycopg.adapters.types["numeric"].oid
            and column.precision is None
        ]
        names = [column.name for column in cursor.description]
        return names, [_with_whole_numbers(row, free) for row in rows] if free else rows

    def _executed(self, sql: str, parameters: Parameters) -> psycopg.Cursor[Any]:
        statement = read(sql)
        values = statement.values(parameters)
        is_bound = not isinstance(statement.tree, exp.Create)
        with _told():
            *before, last = _said(sql) if is_bound else _with_literals(statement, values)
            for text in before:
                self.connection.execute(text.encode())
            bound = values if is_bound and values else None
            return self.connection.execute(last.encode(), bound)


@contextmanager
def open_postgres(
    server: Server, memory_limit: str = MEMORY_LIMIT, threads: int = 2
) -> Generator[PostgresSession]:
    """Open a connection for the time of the block.

    Args:
        server: Where it is and who asks.
        memory_limit: What reading a file may take here.
        threads: How many of them read it.

    Raises:
        WarehouseError: There is no way in.
    """
    try:
        connection = psycopg.connect(
            host=server.host,
            port=server.port,
            user=server.user,
            password=server.password,
            dbname=server.database,
            application_name="lifestage",
            options="-c TimeZone=UTC",
            client_encoding="UTF8",
            autocommit=True,
            cursor_factory=psycopg.RawCursor,
        )
    except psycopg.OperationalError as error:
        raise UnreachableError(
            f"PostgreSQL at {server.host} lets nobody in ({type(error).__name__}):"
            " look at LIFESTAGE_POSTGRES_HOST and at the user, password and database beside it"
        ) from error
    with connection:
        for question, lack in (
            (IS_UTF8, "does not keep text in UTF-8, so that some of it would be other"),
            (BY_BYTES, "does not sort text by its bytes, so that ties would end otherwise"),
            (KNOWS_LETTERS, "knows only the letters of English, so that addresses would be other"),
        ):
            if not connection.execute(question).fetchall()[0][0]:
                raise WarehouseError(
                    f"the database {server.database} {lack} than on other engines: make it with"
                    f" `create database {server.database} template template0 encoding 'UTF8'"
                    " locale_provider libc lc_collate 'C' lc_ctype 'C.UTF-8'`"
                )
        yield PostgresSession(connection, server.database, memory_limit, threads)


@lru_cache(maxsize=4096)
def _said(sql: str) -> tuple[str, ...]:
    """Say a statement in PostgreSQL's words; places for values are numbered."""
    statement = read(sql)
    places = {
        name: exp.Var(this=f"${number}") for number, name in enumerate(statement.names, start=1)
    }
    return _parts(statement, places)


def _with_literals(statement: Statement, values: list[Any]) -> tuple[str, ...]:
    """Write the values into a statement that makes something: the server binds none there."""
    return _parts(
        statement,
        {name: exp.convert(value) for name, value in zip(statement.names, values, strict=True)},
    )


def _parts(statement: Statement, places: dict[str, Any]) -> tuple[str, ...]:
    tree = statement.filled(places)
    tree = reworded(spread_rows(tree), _in_own_words)
    if isinstance(tree, exp.Create) and tree.args.get("replace") and tree.kind == "TABLE":
        tree.set("replace", None)
        made = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
        return f"drop table if exists {made.sql(DIALECT)}", tree.sql(DIALECT)
    return (tree.sql(DIALECT),)


def _in_own_words(node: exp.Expr) -> exp.Expr:
    """Say what sqlglot leaves as it is."""
    if isinstance(node, exp.Select):
        _spell_out_all(node)
    if isinstance(node, exp.Subquery):
        _name_source(node)
    if isinstance(node, exp.SHA2):
        return exp.func(
            "encode",
            exp.func("sha256", exp.func("convert_to", node.this, exp.Literal.string("UTF8"))),
            exp.Literal.string("hex"),
        )
    if isinstance(node, exp.Anonymous) and node.name.lower() == "to_years":
        return exp.func("make_interval", *node.expressions)
    if isinstance(node, exp.RegexpFullMatch):
        return exp.RegexpLike(this=node.this, expression=whole(_own_pattern(node.expression)))
    if isinstance(node, exp.RegexpLike):
        node.set("expression", _own_pattern(node.expression))
    return node


def _name_source(subquery: exp.Subquery) -> None:
    """Give a query that is read from the name that it needs before version 16."""
    is_source = isinstance(subquery.this, exp.Query)
    is_source = is_source and isinstance(subquery.parent, (exp.From, exp.Join))
    if is_source and not subquery.alias:
        joined = subquery.parent.index if isinstance(subquery.parent, exp.Join) else None
        name = "first_query" if joined is None else f"joined_query_{joined}"
        subquery.set("alias", exp.TableAlias(this=exp.to_identifier(name)))


def _spell_out_all(select: exp.Select) -> None:
    """Say which columns `group by all` and `order by all` mean."""
    group, order = select.args.get("group"), select.args.get("order")
    if group is not None and group.args.get("all"):
        plain = [
            exp.Literal.number(number)
            for number, column in enumerate(select.expressions, start=1)
            if not column.find(exp.AggFunc)
        ]
        select.set("group", exp.Group(expressions=plain))
    if order is not None and [one.this.name for one in order.expressions] == ["ALL"]:
        if select.is_star:
            # A row compares column by column, nulls last.
            sources = [select.args["from_"], *(select.args.get("joins") or ())]
            listed: list[exp.Expr] = [exp.column(one.this.alias_or_name) for one in sources]
        else:
            listed = [
                exp.Literal.number(number) for number, _ in enumerate(select.expressions, start=1)
            ]
        select.set("order", exp.Order(expressions=[exp.Ordered(this=one) for one in listed]))


def _own_pattern(pattern: exp.Expr) -> exp.Expr:
    """Name characters by their numbers as PostgreSQL does; it has none with the number 0."""
    if not isinstance(pattern, exp.Literal):
        return pattern
    named = CODE.sub(lambda found: f"\\u{(found[1] or found[2]).zfill(4)}", pattern.name)
    return exp.Literal.string(named.replace("\\u0000", "\\u0001"))


def _own_type(kind: str) -> str:
    numeric = NUMERIC.fullmatch(kind)
    if numeric:
        return f"DECIMAL({numeric[1]},{numeric[2]})" if numeric[1] else "DECIMAL"
    return OWN_TYPES.get(kind.partition("(")[0], kind.upper())


def _with_whole_numbers(row: tuple[Any, ...], free: list[int]) -> tuple[Any, ...]:
    made = list(row)
    for position in free:
        value = made[position]
        if isinstance(value, Decimal) and value.as_tuple().exponent == 0:
            made[position] = int(value)
    return tuple(made)


@contextmanager
def _told() -> Generator[None]:
    try:
        yield
    except psycopg.Error as error:
        # The cause would be stored with its words.
        raise EngineError(type(error).__name__, str(error)) from None
