"""Puts a finished generation of the public tables in place for readers.

The private warehouse is read in one snapshot; the published database and the Parquet files are
written new beside the old ones, verified, and only then put in place. A run that is killed leaves
the old generation as it was, and the next run sweeps up. What the tables contain is decided by
the dbt marts; whether a refresh publishes is decided by `orchestration.defs.publication`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.warehouse import (
    Session,
    WarehouseError,
    attach,
    literal,
    open_database,
    open_scratch,
    quoted,
    read_parquet,
    write_parquet,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date
    from pathlib import Path

DATABASE_FILE = "lifestage.duckdb"
SCHEMA = "published"
STAGING = ".next"
GENERATIONS = "generations"
PARQUET = "parquet"


@dataclass(frozen=True)
class PublicTable:
    """A table for readers: where it is built, and the key that orders its rows."""

    name: str
    key: tuple[str, ...] = ()  # empty: all columns
    schema: str = "marts"


PUBLIC_TABLES = (
    PublicTable("customers", ("customer_id",)),
    PublicTable("customer_timeline", ("customer_id", "valid_from")),
    PublicTable("segment_transitions"),
    PublicTable("segment_daily_metrics"),
    PublicTable("segment_movement"),
    PublicTable("segment_migrations"),
    PublicTable("segment_profiles"),
    PublicTable("segment_performance"),
    PublicTable("segment_definitions"),
    PublicTable("regimes"),
    PublicTable("scorecards"),
    PublicTable("definition_log"),
    PublicTable("rejected_rows", schema="staging"),
    PublicTable("order_intake", schema="staging"),
)


class PublicationHeld(Exception):  # noqa: N818 - a brake that did its work, not a fault
    """The new generation was not put in place; readers keep the last good one."""


@dataclass(frozen=True)
class TableContent:
    """One table of a generation."""

    name: str
    rows: int
    column_hash: str
    content_hash: str


@dataclass(frozen=True)
class Generation:
    """What was put in place."""

    generation: str
    as_of_date: date
    tables: tuple[TableContent, ...]
    is_new: bool


def publish(
    warehouse: Path,
    target: Path,
    as_of_date: date,
    *,
    max_removed_share: float = 1.0,
    with_parquet: bool = True,
    memory_limit: str = "4GB",
    threads: int = 2,
    reached: Callable[[str], None] = lambda _: None,
) -> Generation:
    """Publish the public tables of a warehouse; publishing the same content twice changes nothing.

    Args:
        warehouse: The private database; nobody writes to it meanwhile.
        target: The directory that readers know.
        as_of_date: The day of the run; the tables may have seen a later one, which then counts.
        max_removed_share: The share of published customers that may be missing now.
        with_parquet: Whether Parquet files are put beside the database.
        memory_limit: The most memory the engine may take.
        threads: The engine's threads; they do not change what is written.
        reached: Told the name of every step done; tests end the process there.

    Raises:
        PublicationHeld: Too many customers would vanish, or what is published cannot be judged.
        WarehouseError: There is nothing to publish, or a file cannot be opened or verified.
    """
    target.mkdir(parents=True, exist_ok=True)
    staging = target / STAGING
    _sweep(target)
    staging.mkdir()
    reached("staging_made")
    database = target / DATABASE_FILE
    with open_scratch(memory_limit, threads) as session:
        as_of_date, contents = _stage_parquet(session, warehouse, staging, as_of_date)
        reached("parquet_staged")
        generation = _generation_id(as_of_date, contents)
        if _is_in_place(target, generation, with_parquet=with_parquet):
            shutil.rmtree(staging)
            return Generation(generation, as_of_date, contents, is_new=False)
        if database.exists():
            _brake(session, database, staging, max_removed_share)
        made = Generation(generation, as_of_date, contents, is_new=True)
        _stage_database(session, warehouse, staging, made)
    reached("database_staged")
    _verify(staging, made)
    reached("verified")
    _put_in_place(target, generation, with_parquet=with_parquet, reached=reached)
    return made


def published_generation(target: Path) -> Generation | None:
    """Read what is published now; None when nothing is."""
    database = target / DATABASE_FILE
    if not database.exists():
        return None
    with open_database(database, read_only=True) as session:
        rows = session.fetch(
            "select generation, as_of_date, table_name, row_count, column_hash, content_hash"
            f" from {SCHEMA}.manifest order by table_name"
        )
    if not rows:
        raise WarehouseError(f"{database.name} has an empty manifest: publish again")
    tables = tuple(TableContent(*row[2:]) for row in rows)
    return Generation(rows[0][0], rows[0][1], tables, is_new=False)


def _sweep(target: Path) -> None:
    """Remove what a killed run left: its staging, links not yet put in place, old generations."""
    shutil.rmtree(target / STAGING, ignore_errors=True)
    for leftover in target.glob(f"{PARQUET}.next"):
        leftover.unlink()
    current = target / PARQUET
    in_use = current.resolve() if current.is_symlink() else None
    for generation in (target / GENERATIONS).glob("*"):
        if generation.resolve() != in_use:
            shutil.rmtree(generation)


def _stage_parquet(
    session: Session, warehouse: Path, staging: Path, as_of_date: date
) -> tuple[date, tuple[TableContent, ...]]:
    """Write every public table, ordered, from one snapshot of the warehouse, and tell its day."""
    if not warehouse.exists():
        raise WarehouseError(f"there is no {warehouse.name} yet: run `lifestage refresh` first")
    # The name must be the file's own: views in it say where they read.
    source = warehouse.stem
    attach(session, warehouse, source, read_only=True)
    there = session.relations(source)
    tables = [table for table in PUBLIC_TABLES if (table.schema, table.name) in there]
    if ("marts", "customers") not in there:
        raise WarehouseError("the warehouse has no customers table: run `lifestage refresh` first")
    session.run("begin transaction")
    contents = tuple(_stage_table(session, source, table, staging) for table in tables)
    as_of_date = session.fetch(
        f"select coalesce(max(as_of_date), ?) from {quoted(source)}.marts.customers", [as_of_date]
    )[0][0]
    session.run("commit")
    return as_of_date, contents


def _stage_table(session: Session, source: str, table: PublicTable, staging: Path) -> TableContent:
    columns = session.columns(source, table.schema, table.name)
    order = ", ".join(quoted(name) for name in table.key or [name for name, _, _ in columns])
    relation = f"{quoted(source)}.{quoted(table.schema)}.{quoted(table.name)}"
    path = staging / f"{table.name}.parquet"
    write_parquet(session, f"select * from {relation} order by {order}", path)
    rows = session.fetch(f"select count(*) from {relation}")[0][0]
    return TableContent(
        name=table.name,
        rows=rows,
        column_hash=_column_hash(columns),
        content_hash=_file_hash(path),
    )


def _generation_id(as_of_date: date, contents: tuple[TableContent, ...]) -> str:
    """Name a generation by what it contains."""
    parts = (f"{table.name} {table.column_hash} {table.content_hash}" for table in contents)
    return _text_hash(as_of_date.isoformat(), *sorted(parts))[:16]


def _is_in_place(target: Path, generation: str, *, with_parquet: bool) -> bool:
    """Tell whether readers already see this generation, in every form that is asked for."""
    try:
        published = published_generation(target)
    except WarehouseError:
        # A damaged file is replaced; whether it may be is for the brake to say.
        return False
    if published is None or published.generation != generation:
        return False
    link = target / PARQUET
    return (link.resolve().name == generation and link.is_dir()) if with_parquet else True


def _brake(session: Session, database: Path, staging: Path, max_removed_share: float) -> None:
    """Hold the publication when too many published customers would vanish."""
    remedy = (
        "look at the feeds and at rejected_rows; if it is meant, raise"
        " publication.max_removed_share for one run"
    )
    try:
        attach(session, database, "current_database", read_only=True)
        before, removed = session.fetch(
            "select count(*), count(*) filter (where customer_id not in"
            f" (select customer_id from {read_parquet(staging / 'customers.parquet')}))"
            f" from current_database.{SCHEMA}.customers"
        )[0]
        session.run("detach current_database")
    except WarehouseError as error:
        raise PublicationHeld(
            f"what is published cannot be compared ({error}):"
            f" if {database.name} is damaged, remove it"
        ) from error
    if before and removed / before > max_removed_share:
        raise PublicationHeld(
            f"{removed} of {before} published customers would vanish ({removed / before:.1%}),"
            f" the limit is {max_removed_share:.1%}: {remedy}"
        )


def _stage_database(session: Session, warehouse: Path, staging: Path, made: Generation) -> None:
    """Write the published database from the staged Parquet files, with comments and manifest."""
    attach(session, staging / DATABASE_FILE, "next_database", read_only=False)
    schema = f"next_database.{SCHEMA}"
    session.run(f"create schema {schema}")
    places = {table.name: table.schema for table in PUBLIC_TABLES}
    for table in made.tables:
        relation = f"{schema}.{quoted(table.name)}"
        source = read_parquet(staging / f"{table.name}.parquet")
        session.run(f"create table {relation} as select * from {source}")
        for name, _, comment in session.columns(warehouse.stem, places[table.name], table.name):
            if comment:
                session.run(f"comment on column {relation}.{quoted(name)} is {literal(comment)}")
    session.run(
        f"create table {schema}.manifest (generation varchar, as_of_date date,"
        " table_name varchar, row_count bigint, column_hash varchar, content_hash varchar)"
    )
    for table in made.tables:
        session.run(
            f"insert into {schema}.manifest values (?, ?, ?, ?, ?, ?)",
            [
                made.generation,
                made.as_of_date,
                table.name,
                table.rows,
                table.column_hash,
                table.content_hash,
            ],
        )
    session.run("detach next_database")


def _verify(staging: Path, made: Generation) -> None:
    """Read back what was written, then make sure the disk has it."""
    with open_database(staging / DATABASE_FILE, read_only=True) as session:
        database = (staging / DATABASE_FILE).stem
        for table in made.tables:
            if _column_hash(session.columns(database, SCHEMA, table.name)) != table.column_hash:
                raise WarehouseError(
                    f"{table.name} changed its column types on the way: use types Parquet knows"
                )
            in_database, in_parquet = session.fetch(
                f"select (select count(*) from {SCHEMA}.{quoted(table.name)}),"
                f" (select count(*) from {read_parquet(staging / f'{table.name}.parquet')})"
            )[0]
            if not in_database == in_parquet == table.rows:
                raise WarehouseError(
                    f"{table.name} was written with {in_database} rows ({in_parquet} in Parquet)"
                    f" instead of {table.rows}: look at the disk and run again"
                )
    for path in staging.iterdir():
        # Readers who open the file for writing would lock everybody else out.
        path.chmod(0o444)
        _sync(path)
    _sync(staging)


def _put_in_place(
    target: Path, generation: str, *, with_parquet: bool, reached: Callable[[str], None]
) -> None:
    """Swap in the Parquet directory, then the database, each in one step."""
    staging, link = target / STAGING, target / PARQUET
    home = target / GENERATIONS / generation
    home.parent.mkdir(exist_ok=True)
    if with_parquet:
        home.mkdir(exist_ok=True)
        for path in staging.glob("*.parquet"):
            path.replace(home / path.name)
        _sync(home)
        _sync(home.parent)
        new_link = target / f"{PARQUET}.next"
        new_link.symlink_to(home.relative_to(target), target_is_directory=True)
        reached("link_made")
        new_link.replace(link)
        reached("parquet_in_place")
    (staging / DATABASE_FILE).replace(target / DATABASE_FILE)
    _sync(target)
    reached("database_in_place")
    if not with_parquet:
        link.unlink(missing_ok=True)
    _sweep(target)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _column_hash(columns: list[tuple[str, str, str | None]]) -> str:
    return _text_hash(*(f"{name} {kind}" for name, kind, _ in columns))


def _text_hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
