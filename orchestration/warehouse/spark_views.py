"""How Spark shows tables to readers: views, one after the other.

Rights are those of the files and of who may reach the server; Spark knows no roles. How statements
reach the server is decided by `orchestration.warehouse.spark`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Set
from typing import TYPE_CHECKING, Any, cast

from sqlglot import exp, parse_one

from orchestration.warehouse.server import ServerSession
from orchestration.warehouse.session import EngineError
from orchestration.warehouse.spark_changes import value_in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

DIALECT = "spark"
NOT_THERE = {"TABLE_OR_VIEW_NOT_FOUND", "SCHEMA_NOT_FOUND"}


class Relations(Set[tuple[str, str]]):
    """The tables and views of a catalog, which lists one schema at a time: only those asked for."""

    def __init__(self, session: SparkViews) -> None:
        self._session = session
        self._known: dict[str, set[str]] = {}

    def __contains__(self, place: object) -> bool:
        """Tell whether there is a table, given as schema and name."""
        schema, name = cast("tuple[str, str]", place)
        return name in self._of(schema)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """List all of them."""
        return ((schema, name) for schema in self._session.schemas() for name in self._of(schema))

    def __len__(self) -> int:
        """Count them."""
        return sum(1 for _ in self)

    @classmethod
    def _from_iterable(cls, it: Iterable[Any]) -> Set[Any]:
        return set(it)

    def _of(self, schema: str) -> set[str]:
        if schema not in self._known:
            self._known[schema] = set(self._session.own_tables(schema))
        return self._known[schema]


class SparkViews(ServerSession):
    """The part of a session that readers are served with."""

    # A hash of columns passes over NULL, so that values could change their places.
    row_hash = "xxhash64(to_json(struct(whole_row.*)))"

    @abstractmethod
    def plain(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement in the server's own words and fetch its rows, if it has any."""

    def schemas(self) -> set[str]:
        """Name the schemas of the catalog."""
        return {row[0] for row in self.plain("show databases")}

    def own_tables(self, schema: str) -> list[str]:
        """Name what lies in a schema, in order; nothing if there is no such schema."""
        try:
            return sorted(row[1] for row in self.plain(f"show tables in `{schema}`"))
        except EngineError as error:
            if error.kind in NOT_THERE:
                return []
            raise

    def drop_schema(self, schema: str) -> bool:
        """Drop a schema with its tables; whoever reads them fails."""
        self.plain(f"drop database if exists `{schema}` cascade")
        return True

    def in_one_step(self, schema: str, change: Callable[[], None]) -> None:
        """Make a change; whoever reads meanwhile may see a part of it."""
        del schema
        change()

    def show(self, schema: str, name: str, source: str) -> None:
        """Let a view show a table."""
        self.plain(
            f"create or replace view `{schema}`.`{name}` as select * from `{source}`.`{name}`"
        )

    def hide(self, schema: str, name: str) -> None:
        """Drop a view."""
        self.plain(f"drop view `{schema}`.`{name}`")

    def shown_by(self, schema: str, name: str) -> set[str]:
        """Name the schemas that a view reads."""
        if name not in self.own_tables(schema):
            return set()
        described = self.plain(f"describe table extended `{schema}`.`{name}`")
        text = next((row[1] for row in described if row[0] == "View Text"), None)
        if text is None:
            return set()
        return {table.db for table in parse_one(text, read=DIALECT).find_all(exp.Table)}

    def make_reader(self, role: str) -> None:
        """Do nothing: there are no roles."""

    def let_read(self, role: str, schema: str, name: str) -> None:
        """Do nothing: there are no rights of views."""

    def rewrite(self, relation: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Put a few rows in the place of all rows of a table, which is never empty meanwhile."""
        del columns  # all of them, in their order
        values = ", ".join(
            f"({', '.join(value_in_words(value).sql(DIALECT) for value in row)})" for row in rows
        )
        self.plain(f"insert overwrite table {relation.replace(chr(34), '`')} values {values}")
