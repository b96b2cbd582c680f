"""What a table promises its readers: columns, types, key, which values there may be.

Tables of dbt are declared in its own files, those that Python writes next to the code that writes
them. Whether a finished file keeps the promise is found out by `orchestration.verification`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column: its name, its type in DuckDB's words, and what may stand in it."""

    name: str
    kind: str
    description: str
    is_nullable: bool = False
    accepted: tuple[str, ...] = ()  # empty: any value


@dataclass(frozen=True)
class TableContract:
    """One table: its columns in order and the columns that tell its rows apart."""

    columns: tuple[Column, ...]
    key: tuple[str, ...]
    description: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns in order."""
        return tuple(column.name for column in self.columns)

    @property
    def described(self) -> tuple[tuple[str, str, str], ...]:
        """The columns in order, each with type and description."""
        return tuple((column.name, column.kind, column.description) for column in self.columns)
