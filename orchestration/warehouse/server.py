"""What a server can do for readers beyond a file: show tables through views, let roles read them.

Which tables are shown when is decided by `orchestration.shelf`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from orchestration.warehouse.session import Session, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class ServerSession(Session):
    """A connection to an engine whose tables others read while they are made."""

    # SQL for the hash of a row that is called `whole_row`.
    row_hash: ClassVar[str]

    def fingerprint(self, relation: str) -> tuple[int, str]:
        """Count rows, and return what stands for them, whatever their order.

        Args:
            relation: A table, or a query in parentheses.
        """
        rows, total = self.fetch(
            f"select count(*), coalesce(sum(cast({self.row_hash} as decimal(38, 0))), 0)"
            f" from {relation} as whole_row"
        )[0]
        return rows, f"{rows}:{total}"

    @abstractmethod
    def schemas(self) -> set[str]:
        """Name the schemas of the database."""

    @abstractmethod
    def drop_schema(self, schema: str) -> bool:
        """Drop a schema with its tables.

        Returns:
            Whether it is gone; a reader in the middle of a transaction keeps it.

        Raises:
            WarehouseError: Something that is not ours depends on it.
        """

    @abstractmethod
    def in_one_step(self, schema: str, change: Callable[[], None]) -> None:
        """Change what readers of a schema see; where the engine can, they see all of it or nothing.

        Args:
            schema: The schema that readers know.
            change: Makes the change; it may be called more than once.

        Raises:
            WarehouseError: Readers do not let it happen.
        """

    @abstractmethod
    def show(self, schema: str, name: str, source: str) -> None:
        """Let the view of a schema show the table of the same name in another schema.

        Raises:
            WarehouseError: The columns are others, and views of readers depend on the old ones.
        """

    @abstractmethod
    def hide(self, schema: str, name: str) -> None:
        """Drop a view.

        Raises:
            WarehouseError: Views of readers depend on it.
        """

    @abstractmethod
    def shown_by(self, schema: str, name: str) -> set[str]:
        """Name the schemas that a view reads; none if there is no such view."""

    @abstractmethod
    def make_reader(self, role: str) -> None:
        """Make a role that may be let in; one that is there is left as it is.

        Raises:
            WarehouseError: It is not for us to make one.
        """

    @abstractmethod
    def let_read(self, role: str, schema: str, name: str) -> None:
        """Let a role read a view."""

    def rewrite(self, relation: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Put a few rows in the place of all rows of a table."""
        self.run(f"delete from {relation}")
        self.insert(relation, columns, rows)

    def own_tables(self, schema: str) -> list[str]:
        """Name what lies in a schema, in order."""
        return sorted(name for place, name in self.relations(self.database) if place == schema)


def relation_of(schema: str, name: str) -> str:
    """Write the name of a table of a schema."""
    return f"{quoted(schema)}.{quoted(name)}"
