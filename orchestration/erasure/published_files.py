"""Takes erased people out of published files: the served ones are written anew without them.

When that is to be done is said in `orchestration.erasure.published`.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestration.erasure.public_rows import names_erased
from orchestration.erasure.requests import has_requests
from orchestration.generations import (
    DATABASE_FILE,
    PARQUET,
    REPORT_FILE,
    STAGING,
    TableContent,
    file_hash,
    forget_past,
    generation_name,
    link_or_copy,
    new_staging,
    put_in_place,
    read_generation,
    seal,
    served,
)
from orchestration.publication_status import SCHEMA, STATUS_TABLE, read_status, write_status
from orchestration.verification import verify_written
from orchestration.warehouse import attach, open_scratch, quoted, write_parquet

if TYPE_CHECKING:
    from pathlib import Path

    from orchestration.generations import Place
    from orchestration.publication_status import PublicationStatus
    from orchestration.settings import Settings
    from orchestration.warehouse import Session

OLD, NEW = "current_database", "next_database"


def leave_out(settings: Settings) -> int:
    """Put the served tables in place once more, without the rows of erased people.

    Older generations are removed as well.

    Returns:
        How many rows were left out; 0 if there were none, and nothing is changed then.

    Raises:
        WarehouseError: A file cannot be opened or verified.
    """
    target, warehouse = settings.published_dir, settings.warehouse_path
    place = served(target)
    if place is None or not warehouse.exists():
        return 0
    with open_scratch(settings.memory_limit, settings.threads) as session:
        attach(session, warehouse, warehouse.stem, read_only=True)
        if not has_requests(session, warehouse.stem, only_open=True):
            return 0
        attach(session, place.database, OLD, read_only=True)
        doomed = _doomed_rows(session, place, warehouse.stem)
        rows = sum(count for _, count in doomed.values())
        if not rows:
            return 0
        staging = new_staging(target)
        status, tables = _stage(session, place, staging, doomed)
    _finish(target, place, status, tables)
    return rows


def _doomed_rows(session: Session, place: Place, source: str) -> dict[str, tuple[str, int]]:
    """Find the rows of erased people: by table the condition and their number."""
    found = {}
    for table in read_generation(place.database).tables:
        relation = f"{OLD}.{SCHEMA}.{quoted(table.name)}"
        condition = names_erased(session.columns(OLD, SCHEMA, table.name), source)
        if condition:
            query = f"select count(*) from {relation} where {condition}"
            found[table.name] = condition, session.fetch(query)[0][0]
    return found


def _stage(
    session: Session, place: Place, staging: Path, doomed: dict[str, tuple[str, int]]
) -> tuple[PublicationStatus, tuple[TableContent, ...]]:
    """Write the database and the Parquet files anew; what is not changed is shown again."""
    attach(session, staging / DATABASE_FILE, NEW, read_only=False)
    session.run(f"copy from database {OLD} to {NEW} (schema)")
    made = read_generation(place.database)
    tables = []
    for table in made.tables:
        condition, rows = doomed.get(table.name, ("false", 0))
        relation = f"{SCHEMA}.{quoted(table.name)}"
        session.run(
            f"insert into {NEW}.{relation} select * from {OLD}.{relation} where not {condition}"
        )
        path = staging / PARQUET / f"{table.name}.parquet"
        old = place.path / PARQUET / path.name
        if rows or not old.exists():
            write_parquet(session, f"select * from {NEW}.{relation}", path)
        else:
            link_or_copy(old, path)
        tables.append(replace(table, rows=table.rows - rows, content_hash=file_hash(path)))
    status = replace(
        read_status(place.database), generation=generation_name(made.as_of_date, tables)
    )
    _write_manifest(session, status, tables)
    write_status(session, NEW, status)
    query = f"select * from {NEW}.{SCHEMA}.{STATUS_TABLE}"
    write_parquet(session, query, staging / PARQUET / f"{STATUS_TABLE}.parquet")
    session.run(f"detach {NEW}")
    return status, tuple(tables)


def _write_manifest(
    session: Session, status: PublicationStatus, tables: list[TableContent]
) -> None:
    manifest = f"{SCHEMA}.manifest"
    session.run(f"insert into {NEW}.{manifest} select * from {OLD}.{manifest}")
    session.run(f"update {NEW}.{manifest} set generation = ?", [status.generation])
    for table in tables:
        session.run(
            f"update {NEW}.{manifest} set row_count = ?, content_hash = ? where table_name = ?",
            [table.rows, table.content_hash, table.name],
        )


def _finish(
    target: Path, place: Place, status: PublicationStatus, tables: tuple[TableContent, ...]
) -> None:
    staging = target / STAGING
    has_parquet = (place.path / PARQUET).is_dir()
    verify_written(staging / DATABASE_FILE, staging / PARQUET, tables, status)
    if not has_parquet:
        shutil.rmtree(staging / PARQUET)
    # The report shows sums only, so it is shown again.
    if (place.path / REPORT_FILE).is_file():
        link_or_copy(place.path / REPORT_FILE, staging / REPORT_FILE)
    own = {"files", "sequence", "published_as"}
    about = {name: value for name, value in place.manifest().items() if name not in own}
    seal(target, {**about, **status.listed()})
    put_in_place(target, status.generation, lambda _: None)
    forget_past(target)
