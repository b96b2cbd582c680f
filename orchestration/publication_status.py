"""What readers are told about what they read: how good it is, and whether it should be newer.

One row; in a published file also beside it as Parquet. Who writes it and when is decided by
`orchestration.publication` (a new generation) and `orchestration.holding` (none).
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from orchestration.table_contracts import Column, TableContract
from orchestration.warehouse import WarehouseError, describe_table, open_database, quoted

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from orchestration.warehouse import Session

SCHEMA = "published"
STATUS_TABLE = "publication_status"
PUBLICATION_STATUS = TableContract(
    (
        Column("as_of_date", "DATE", "The last day that the tables know."),
        Column("generation", "VARCHAR", "The generation: a hash of its content."),
        Column(
            "verdict",
            "VARCHAR",
            "What the checks found: nothing, warnings, or errors that do not hold tables back or"
            " that a person accepted.",
            accepted=("pass", "warn", "approved"),
        ),
        Column(
            "approved_checks",
            "VARCHAR",
            "The checks whose error a person accepted; null for none.",
            is_nullable=True,
        ),
        Column("is_held", "BOOLEAN", "Whether newer tables were refused, or these put back."),
        Column(
            "held_since",
            "DATE",
            "The first day whose tables did not come; null if none is missing.",
            is_nullable=True,
        ),
        Column("held_as_of", "DATE", "The last such day.", is_nullable=True),
        Column(
            "held_by",
            "VARCHAR",
            "The checks that refused it; null if it was something else.",
            is_nullable=True,
        ),
        Column("held_reason", "VARCHAR", "Why it was refused, in words.", is_nullable=True),
        Column("days_behind", "INTEGER", "Days from as_of_date to held_as_of; 0 if not held."),
    ),
    key=("generation",),
    description="How good the tables are, and whether newer ones were refused. One row.",
)


class PublicationHeld(Exception):  # noqa: N818 - a brake that did its work, not a fault
    """The new generation was not put in place; readers keep the last good one.

    Attributes:
        held_by: Names of the checks or brakes that said no; empty if something else did.
    """

    def __init__(self, reason: str, held_by: tuple[str, ...] = ()) -> None:
        self.held_by = held_by
        super().__init__(reason)


@dataclass(frozen=True)
class PublicationStatus:
    """The row; its fields are the columns in order."""

    as_of_date: date
    generation: str
    verdict: str
    approved_checks: str | None = None
    is_held: bool = False
    held_since: date | None = None
    held_as_of: date | None = None
    held_by: str | None = None
    held_reason: str | None = None
    days_behind: int = 0

    def listed(self) -> dict[str, str | bool | None]:
        """What the list of files repeats of it."""
        return {
            "generation": self.generation,
            "as_of_date": self.as_of_date.isoformat(),
            "verdict": self.verdict,
            "is_held": self.is_held,
            "held_as_of": self.held_as_of.isoformat() if self.held_as_of else None,
        }


def write_status(session: Session, database: str, status: PublicationStatus) -> None:
    """Put the row in the place of the one before."""
    relation = f"{quoted(database)}.{SCHEMA}.{STATUS_TABLE}"
    columns = ", ".join(f"{column.name} {column.kind}" for column in PUBLICATION_STATUS.columns)
    session.run(f"create or replace table {relation} ({columns})")
    places = ", ".join("?" for _ in PUBLICATION_STATUS.columns)
    session.run(f"insert into {relation} values ({places})", astuple(status))
    describe_table(
        session, relation, [(part.name, part.description) for part in PUBLICATION_STATUS.columns]
    )


def read_status(database: Path) -> PublicationStatus:
    """Read the row of a published database.

    Raises:
        WarehouseError: The file cannot be read, or has no such row.
    """
    with open_database(database, read_only=True) as session:
        found = None
        if (SCHEMA, STATUS_TABLE) in session.relations(database.stem):
            found = status_in(session, SCHEMA)
    if found is None:
        raise WarehouseError(f"{database.name} does not say how good it is: publish again")
    return found


def status_in(session: Session, schema: str) -> PublicationStatus | None:
    """Read the row of a schema; None if there is not exactly one."""
    rows = session.fetch(
        f"select {', '.join(PUBLICATION_STATUS.names)} from {schema}.{STATUS_TABLE}"
    )
    return PublicationStatus(*rows[0]) if len(rows) == 1 else None
