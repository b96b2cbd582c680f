"""A destination that is a table of PostgreSQL, which is made to hold the members.

    audience, destination, member_key (its key), row_hash, as_of_date, generation, payload (jsonb)

One transaction per delivery: readers see the members before or after it. The driver is the extra
`postgres`; the address of the database is a secret.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString

from orchestration.activation.destinations import DestinationError, Outcome, plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import Cursor
    from psycopg.sql import Composed

    from orchestration.activation.destinations import Address, Batch, Row, State

CONNECT_SECONDS = 15
CHANGES = """
create temporary table lifestage_changes (
    operation text, member_key text, row_hash text, as_of_date date, generation text, payload jsonb
) on commit drop
"""
COPY = (
    "copy lifestage_changes (operation, member_key, row_hash, as_of_date, generation, payload)"
    " from stdin"
)
TABLE = """
create table if not exists {table} (
    audience text not null, destination text not null, member_key text not null,
    row_hash text not null, as_of_date date not null, generation text not null,
    payload jsonb not null, primary key (audience, destination, member_key)
)
"""
DELETE = """
delete from {table} using lifestage_changes as changes
where
    {table}.audience = %s and {table}.destination = %s
    and {table}.member_key = changes.member_key and changes.operation = 'remove'
"""
UPSERT = """
insert into {table} (
    audience, destination, member_key, row_hash, as_of_date, generation, payload
)
select %s, %s, member_key, row_hash, as_of_date, generation, payload
from lifestage_changes
where operation <> 'remove'
order by member_key
on conflict (audience, destination, member_key) do update set
    row_hash = excluded.row_hash, as_of_date = excluded.as_of_date,
    generation = excluded.generation, payload = excluded.payload
"""


@dataclass(frozen=True)
class MirrorTable:
    """A table that holds the members of audiences.

    Attributes:
        address: Of the database, as libpq writes it.
        table: Its name, with or without a schema; it is made if it is not there.
    """

    address: Address
    table: str = "audience_members"

    @property
    def batch_size(self) -> int | None:
        """A delivery is one transaction."""
        return None

    def state_of(self, audience: str) -> State:  # noqa: ARG002 - no list of this kind gets old
        """The table is read by the delivery itself."""
        return "current"

    def deliver(self, batch: Batch) -> Iterable[Outcome]:
        """Change the table in one transaction.

        A text with a NUL, which no column of PostgreSQL takes, is a reason to reject the row.

        Raises:
            DestinationError: The driver or the database cannot be used.
        """
        try:
            import psycopg  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise DestinationError(
                "the driver of PostgreSQL is missing: install lifestage[postgres]"
            ) from error
        try:
            # Leaving the block commits, or, after an error, takes everything back.
            with (
                psycopg.connect(self.address.url, connect_timeout=CONNECT_SECONDS) as connection,
                connection.cursor() as cursor,
            ):
                return self._mirror(cursor, batch)
        except psycopg.Error as error:
            code = f" {error.sqlstate}" if error.sqlstate else ""
            raise DestinationError(
                f"the database of {batch.delivery.destination} did not take the delivery"
                f" ({type(error).__name__}{code}): check its address, rights and space"
            ) from None  # its words may hold the address, or values

    def _mirror(self, cursor: Cursor[Any], batch: Batch) -> list[Outcome]:
        place = (batch.delivery.audience, batch.delivery.destination)
        self._make_table(cursor)
        cursor.execute(CHANGES)
        outcomes = _copy_changes(cursor, batch)
        cursor.execute(self._composed(DELETE), place)
        cursor.execute(self._composed(UPSERT), place)
        return outcomes

    def _make_table(self, cursor: Cursor[Any]) -> None:
        cursor.execute("select to_regclass(%s)", (self._composed("{table}").as_string(cursor),))
        found = cursor.fetchone()
        if found is None or found[0] is None:
            cursor.execute(self._composed(TABLE))

    def _composed(self, statement: LiteralString) -> Composed:
        from psycopg import sql  # noqa: PLC0415 - an extra

        return sql.SQL(statement).format(table=sql.Identifier(*self.table.split(".")))


def _copy_changes(cursor: Cursor[Any], batch: Batch) -> list[Outcome]:
    names = [name for name, _ in batch.columns]
    outcomes = []
    with cursor.copy(COPY) as copy:
        for row in batch.rows:
            if _has_nul(row):
                outcomes.append(Outcome(row.idempotency_key, "rejected", "nul_in_text"))
                continue
            # A removal has no values.
            payload = dict(zip(names, map(plain, row.values), strict=False))
            copy.write_row(
                (
                    *(row.operation, row.member_key, row.row_hash, row.as_of_date, row.generation),
                    json.dumps(payload, ensure_ascii=False),
                )
            )
            outcomes.append(Outcome(row.idempotency_key, "accepted"))
    return outcomes


def _has_nul(row: Row) -> bool:
    # A backslash of the text itself is written twice.
    written = json.dumps([row.member_key, *map(plain, row.values)]).replace("\\\\", "")
    return "\\u0000" in written
