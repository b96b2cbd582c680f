"""Where generations lie on a server, which one readers see, how long old ones are kept.

    published                                views that readers know, over the tables of one of:
    published_000011_9a31..., published_000012_5f0e...     a generation each, never changed but for
                                                           its row of publication_status

Readers see views, because a schema that is renamed keeps its tables: what people have built on
`published.customers` would go on reading the old one under its new name. A view is replaced below
what is built on it. A generation is sealed in the step that shows it; one without a seal, which
readers do not see, was left by a run that was killed.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.generations import REPORT_FILE
from orchestration.public_tables import MANIFEST_TABLE
from orchestration.publication_status import SCHEMA, STATUS_TABLE, status_in
from orchestration.table_contracts import Column, TableContract
from orchestration.warehouse import WarehouseError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from orchestration.publication_status import PublicationStatus
    from orchestration.warehouse import ServerSession, Session

PLACE = re.compile(rf"{SCHEMA}_(\d{{6}})_([0-9a-f]{{16}})")
SEAL_TABLE = "seal"
SEAL = TableContract(
    (Column("about", "VARCHAR", "What the generation was published with, as JSON."),),
    key=(),
    description="That readers were shown the generation, and with what. One row.",
)


@dataclass(frozen=True)
class Place:
    """The schema of a generation."""

    schema: str
    sequence: int
    generation: str


def places(session: ServerSession) -> list[Place]:
    """List the schemas of generations, oldest first."""
    named = [found for schema in session.schemas() if (found := PLACE.fullmatch(schema))]
    found = [Place(match[0], int(match[1]), match[2]) for match in named]
    return sorted(found, key=lambda place: place.sequence)


def past_places(session: ServerSession) -> list[Place]:
    """List the schemas that readers see or saw; not one that a killed run left unseen."""
    now = served(session)
    there = session.relations(session.database)
    return [
        place for place in places(session) if place == now or (place.schema, SEAL_TABLE) in there
    ]


def served(session: ServerSession) -> Place | None:
    """Return what readers see; None when nothing is published."""
    shown = session.shown_by(SCHEMA, STATUS_TABLE)
    return next((place for place in places(session) if place.schema in shown), None)


def next_place(session: ServerSession, generation: str) -> Place:
    """Name the schema of the next generation."""
    sequence = max((place.sequence for place in places(session)), default=0) + 1
    return Place(f"{SCHEMA}_{sequence:06}_{generation}", sequence, generation)


def make_table(
    session: Session,
    relation: str,
    contract: TableContract,
    rows: Sequence[Sequence[Any]],
) -> None:
    """Make a small table with its rows."""
    session.make_table(relation, contract.described)
    session.insert(relation, contract.names, rows)


def show(session: ServerSession, place: Place, reader: str) -> None:
    """Let the views show a generation; run it in one step.

    Where an engine changes one view after the other, what says which generation it is comes last.

    Args:
        session: The server.
        place: The generation.
        reader: The role that may read the views; empty for none.
    """
    found = [name for name in session.own_tables(place.schema) if name != SEAL_TABLE]
    names = sorted(found, key=lambda name: (name == STATUS_TABLE, name == MANIFEST_TABLE, name))
    for name in session.own_tables(SCHEMA):
        is_ours = any(PLACE.fullmatch(schema) for schema in session.shown_by(SCHEMA, name))
        if is_ours and name not in names:
            session.hide(SCHEMA, name)
    for name in names:
        session.show(SCHEMA, name, place.schema)
        if reader:
            session.let_read(reader, SCHEMA, name)


def sealed_with(session: ServerSession, place: Place) -> str | None:
    """Read what a generation was published with; None if it was not yet shown."""
    if (place.schema, SEAL_TABLE) not in session.relations(session.database):
        return None
    rows = session.fetch(f"select about from {place.schema}.{SEAL_TABLE}")
    return rows[0][0] if rows else None


def sweep(session: ServerSession, target: Path) -> None:
    """Remove what a killed run left; a report that it had written is put in its place.

    Args:
        session: The server.
        target: The folder of the report.
    """
    past = past_places(session)
    for place in places(session):
        if place not in past:
            session.drop_schema(place.schema)
    session.run(f"create schema if not exists {SCHEMA}")
    settle_report(session, target)


def clean(session: ServerSession, keep: int) -> None:
    """Drop old generations; of one that was put in place several times the newest schema is kept.

    One that a reader is in, or on which somebody has built, stays until the next time.

    Args:
        session: The server.
        keep: How many generations to keep, the present one included.
    """
    past = past_places(session)
    newest = {place.generation: place for place in past}  # the last one of each wins
    by_age = sorted(newest.values(), key=lambda place: -place.sequence)
    kept = {*by_age[:keep], served(session)}
    for place in past:
        if place not in kept:
            with suppress(WarehouseError):  # it says what is built there, and harms nobody
                session.drop_schema(place.schema)


def forget_past(session: ServerSession) -> int:
    """Drop everything but what readers see now; nobody can go back any more.

    Raises:
        WarehouseError: A reader keeps one.
    """
    now = served(session)
    past = [place for place in places(session) if place != now]
    for place in past:
        if not session.drop_schema(place.schema):
            raise WarehouseError(
                "somebody reads older tables, which may name erased people, in a transaction that"
                " does not end: end it and run `lifestage refresh`"
            )
    return len(past)


def staged_report(target: Path, place: Place, status: PublicationStatus) -> Path:
    """Name the file of a report until readers see what it is about."""
    digest = hashlib.sha256(repr(status).encode()).hexdigest()[:16]
    return target / f".{place.schema}-{digest}.html"


def settle_report(session: ServerSession, target: Path) -> None:
    """Put the report of what readers see in its place, and remove every other that is not there."""
    now = served(session)
    status = status_in(session, now.schema) if now is not None else None
    wanted = staged_report(target, now, status) if now is not None and status is not None else None
    for path in target.glob(f".{SCHEMA}_*.html"):
        if path == wanted:
            path.replace(target / REPORT_FILE)
        else:
            path.unlink()
