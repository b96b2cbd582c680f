"""Writes the tables of a generation on a server and holds them against what was promised.

Rows stay where they are: the engine copies, counts and compares them. When it is done and what
readers see of it is decided by `orchestration.shelf.server`.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING

from orchestration.erasure.public_rows import names_erased
from orchestration.erasure.requests import has_requests, is_erased
from orchestration.gate import decide
from orchestration.generations import TableContent, generation_in
from orchestration.public_tables import (
    MANIFEST,
    MANIFEST_TABLE,
    PUBLIC_TABLES,
    RECORD_TABLES,
)
from orchestration.publication import BRAKE, refuse_loss
from orchestration.publication_status import (
    PUBLICATION_STATUS,
    STATUS_TABLE,
    PublicationHeld,
    status_in,
)
from orchestration.shelf.server_places import make_table
from orchestration.verification import column_hash, key_problems, refuse_broken
from orchestration.warehouse import EngineError, WarehouseError, describe_table, quoted, relation_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from orchestration.gate import Decision
    from orchestration.generations import Generation
    from orchestration.publication_status import PublicationStatus
    from orchestration.shelf.server_places import Place
    from orchestration.table_contracts import TableContract
    from orchestration.warehouse import ServerSession

CUSTOMERS = ("marts", "customers")
# The tables have no order; the file of the same name has.
SERVER_MANIFEST = replace(
    MANIFEST,
    columns=tuple(
        replace(column, description="A hash of its rows, whatever their order.")
        if column.name == "content_hash"
        else column
        for column in MANIFEST.columns
    ),
)


@dataclass(frozen=True)
class Source:
    """What a table is copied from.

    Attributes:
        schema: Where it is.
        name: The table.
        without: SQL that is true for the rows that stay behind; empty if all are copied.
    """

    schema: str
    name: str
    without: str = ""

    @property
    def relation(self) -> str:
        """What stands for the rows in a `from` clause."""
        relation = relation_of(self.schema, self.name)
        return f"(select * from {relation} where not {self.without})" if self.without else relation


BUILT = {table.name: Source(table.schema, table.name) for table in (*PUBLIC_TABLES, *RECORD_TABLES)}


def decided(
    session: ServerSession, as_of_date: date, code_hash: str
) -> tuple[Decision, tuple[TableContent, ...]]:
    """Ask for the verdict and say what every public table contains; run it in a transaction.

    Raises:
        PublicationHeld: The verdict does not allow a publication.
        WarehouseError: There is nothing to publish.
    """
    there = session.relations(session.database)
    if CUSTOMERS not in there:
        raise WarehouseError("the warehouse has no customers table: run `lifestage refresh` first")
    decision = decide(session, session.database, as_of_date, code_hash)
    if not decision.is_allowed:
        raise PublicationHeld(decision.reason, decision.held_by)
    return decision, tuple(
        content_of(
            session, BUILT[table.name], kind="record" if table in RECORD_TABLES else "content"
        )
        for table in (*PUBLIC_TABLES, *RECORD_TABLES)
        if (table.schema, table.name) in there
    )


def refuse_vanished(session: ServerSession, now: Place, max_removed_share: float) -> None:
    """Hold the publication when too many published customers would vanish; who is erased may.

    Raises:
        PublicationHeld: It is so, or what is published cannot be compared.
    """
    present = relation_of(now.schema, CUSTOMERS[1])
    following = ".".join(map(quoted, CUSTOMERS))
    others = "true"
    if has_requests(session, session.database):
        others = f"not ({is_erased('customer_id', 'present.customer_id', session.database)})"
    try:
        before = session.fetch(f"select count(*) from {present}")[0][0]
        removed = session.fetch(
            f"select count(*) from {present} as present left join"
            f" (select distinct customer_id from {following}) as following"
            " on present.customer_id = following.customer_id"
            f" where following.customer_id is null and {others}"
        )[0][0]
    except EngineError as error:
        raise PublicationHeld(
            f"what is published cannot be compared ({error}): run `lifestage rollback`, or drop"
            " the schema `published`",
            BRAKE,
        ) from error
    refuse_loss(before, removed, max_removed_share)


def stage(
    session: ServerSession,
    place: Place,
    made: Generation,
    status: PublicationStatus,
    sources: Mapping[str, Source] = BUILT,
) -> None:
    """Copy tables into the schema of a generation, with manifest and status.

    Args:
        session: The server.
        place: The schema; it is made.
        made: What the generation consists of.
        status: What readers are to be told.
        sources: What each table is copied from.
    """
    session.run(f"create schema if not exists {place.schema}")
    for table in made.tables:
        source, relation = sources[table.name], relation_of(place.schema, table.name)
        session.run(f"create table {relation} as select * from {source.relation} as source")
        columns = session.columns(session.database, source.schema, source.name)
        describe_table(session, relation, [(name, comment) for name, _, comment in columns])
    rows = [
        (made.generation, made.as_of_date, *about)
        for about in sorted(
            (part.name, part.kind, part.rows, part.column_hash, part.content_hash)
            for part in made.tables
        )
    ]
    make_table(session, relation_of(place.schema, MANIFEST_TABLE), SERVER_MANIFEST, rows)
    told = relation_of(place.schema, STATUS_TABLE)
    make_table(session, told, PUBLICATION_STATUS, [astuple(status)])


def verify(
    session: ServerSession,
    place: Place,
    made: Generation,
    status: PublicationStatus,
    contracts: Mapping[str, TableContract],
) -> None:
    """Read back what was written, and hold it against the contracts.

    Raises:
        PublicationHeld: A table breaks its contract.
        WarehouseError: A table is not as it was to be written.
    """
    refuse_changed(session, place, made, "look at the disk of the server and run again")
    if status_in(session, place.schema) != status:
        raise WarehouseError(f"{STATUS_TABLE} was not written: run `lifestage refresh` again")
    for name in (*(table.name for table in made.tables), STATUS_TABLE, MANIFEST_TABLE):
        columns = session.columns(session.database, place.schema, name)
        relation = relation_of(place.schema, name)
        refuse_broken(session, relation, columns, contracts.get(name), key_problems)


def refuse_changed(session: ServerSession, place: Place, made: Generation, remedy: str) -> None:
    """Refuse tables that are not what the manifest says.

    Raises:
        WarehouseError: One is not.
    """
    there = session.relations(session.database)
    for table in made.tables:
        if (place.schema, table.name) not in there:
            raise WarehouseError(f"{place.schema} has no {table.name}: {remedy}")
        found = content_of(session, Source(place.schema, table.name), table.kind)
        if found != table:
            raise WarehouseError(
                f"{table.name} in {place.schema} is not what it was to be ({found.rows} rows,"
                f" {table.rows} were written): {remedy}"
            )


def generation_at(session: ServerSession, place: Place) -> Generation:
    """Read what a generation consists of.

    Raises:
        WarehouseError: It does not say.
    """
    found = generation_in(session, session.database, place.schema)
    if found is None:
        raise WarehouseError(f"{place.schema} has no {MANIFEST_TABLE}: publish again")
    return found


def status_at(session: ServerSession, place: Place) -> PublicationStatus:
    """Read what readers of a generation are told.

    Raises:
        WarehouseError: It does not say.
    """
    found = status_in(session, place.schema)
    if found is None:
        raise WarehouseError(f"{place.schema} does not say how good it is: publish again")
    return found


def tell(session: ServerSession, place: Place, status: PublicationStatus) -> None:
    """Put the row that readers are told in the place of the one before."""
    relation = relation_of(place.schema, STATUS_TABLE)
    session.rewrite(relation, PUBLICATION_STATUS.names, [astuple(status)])


def without_erased(
    session: ServerSession, place: Place, made: Generation
) -> tuple[dict[str, Source], int]:
    """Find the rows of erased people in a generation.

    Returns:
        What its tables are to be copied from so that the rows stay behind, and their number.
    """
    sources, rows = {}, 0
    for table in made.tables:
        columns = session.columns(session.database, place.schema, table.name)
        source = Source(place.schema, table.name, names_erased(columns, session.database) or "")
        if source.without:
            left = session.fetch(f"select count(*) from {source.relation} as source")[0][0]
            rows += table.rows - left
        sources[table.name] = source
    return sources, rows


def content_of(session: ServerSession, source: Source, kind: str) -> TableContent:
    """Say what a table contains."""
    columns = session.columns(session.database, source.schema, source.name)
    rows, content_hash = session.fingerprint(source.relation)
    return TableContent(
        name=source.name,
        rows=rows,
        column_hash=column_hash(columns),
        content_hash=content_hash,
        kind=kind,
    )
