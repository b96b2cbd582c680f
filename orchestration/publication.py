"""Makes a new generation of the public tables as files, if the verdict on them allows it.

The private warehouse is read in one snapshot, in which the verdict is read as well. The published
database, the Parquet files and the report are written new beside the old ones, verified, and only
then put in place. A run that is killed leaves the old generation as it was, and the next run
sweeps up. What the tables contain is decided by the dbt marts, whether they may be read by
`orchestration.gate`, where generations lie by `orchestration.generations`.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchestration.erasure.requests import has_requests, is_erased
from orchestration.gate import decide
from orchestration.generations import (
    CURRENT,
    DATABASE_FILE,
    GENERATIONS,
    PARQUET,
    REPORT_FILE,
    Generation,
    TableContent,
    clean,
    file_hash,
    generation_name,
    new_staging,
    published_generation,
    put_in_place,
    seal,
    served,
)
from orchestration.measurement_tables import TABLES as MEASURED
from orchestration.public_tables import (
    MANIFEST,
    MANIFEST_TABLE,
    PUBLIC_TABLES,
    RECORD_TABLES,
    PublicTable,
)
from orchestration.public_tables import contracts as declared_contracts
from orchestration.publication_status import (
    SCHEMA,
    STATUS_TABLE,
    PublicationHeld,
    PublicationStatus,
    read_status,
    write_status,
)
from orchestration.verification import column_hash, verify_promises, verify_written
from orchestration.warehouse import (
    Session,
    WarehouseError,
    attach,
    describe_table,
    open_scratch,
    quoted,
    read_parquet,
    transaction,
    write_parquet,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date
    from pathlib import Path

    from orchestration.gate import Decision
    from orchestration.table_contracts import TableContract

__all__ = [
    "DATABASE_FILE",
    "GENERATIONS",
    "PARQUET",
    "PUBLIC_TABLES",
    "REPORT_FILE",
    "Generation",
    "PublicationHeld",
    "TableContent",
    "publish",
    "published_generation",
]


# What holds a publication that no check holds.
BRAKE = ("max_removed_share",)


def publish(
    warehouse: Path,
    target: Path,
    as_of_date: date,
    *,
    code_hash: str,
    max_removed_share: float = 1.0,
    with_parquet: bool = True,
    keep_generations: int = 7,
    report: Callable[[Path, Path], None] | None = None,
    contracts: Mapping[str, TableContract] | None = None,
    memory_limit: str = "4GB",
    threads: int = 2,
    reached: Callable[[str], None] = lambda _: None,
) -> Generation:
    """Publish the public tables of a warehouse; publishing the same content twice changes nothing.

    Args:
        warehouse: The private database; nobody writes to it meanwhile.
        target: The directory that readers know.
        as_of_date: The day of the run; the tables may have seen a later one, which then counts.
        code_hash: What `provenance.code_hash` says now; a verdict on something else is none.
        max_removed_share: The share of published customers that may be missing now.
        with_parquet: Whether Parquet files are put beside the database.
        keep_generations: How many generations stay on disk, the new one included.
        report: Writes the report of a database to a file; none is made without it.
        contracts: What tables promise, by name; by default what the project declares.
        memory_limit: The most memory the engine may take.
        threads: The engine's threads; they do not change what is written.
        reached: Told the name of every step done; tests end the process there.

    Raises:
        PublicationHeld: The verdict does not allow it, a table breaks its contract, too many
            customers would vanish, or what is published cannot be judged.
        WarehouseError: There is nothing to publish, or a file cannot be opened or verified.
    """
    staging = new_staging(target)
    reached("staging_made")
    with open_scratch(memory_limit, threads) as session:
        decision, tables = _stage_parquet(
            session, warehouse, staging / PARQUET, as_of_date, code_hash
        )
        reached("parquet_staged")
        made, status, about = named(decision, tables)
        if _is_in_place(target, status, about, (with_parquet, report is not None)):
            clean(target, keep_generations)
            return replace(made, is_new=False)
        if (target / DATABASE_FILE).exists():
            _brake(
                session,
                target / DATABASE_FILE,
                staging / PARQUET,
                max_removed_share,
                warehouse.stem,
            )
        _stage_database(session, warehouse.stem, staging, made, status)
    reached("database_staged")
    database = staging / DATABASE_FILE
    verify_written(database, staging / PARQUET, tables, status)
    names = [*(table.name for table in tables), STATUS_TABLE, MANIFEST_TABLE]
    verify_promises(database, names, declared_contracts() if contracts is None else contracts)
    reached("verified")
    if report is not None:
        report(database, staging / REPORT_FILE)
        reached("report_staged")
    if not with_parquet:
        shutil.rmtree(staging / PARQUET)
    seal(target, about)
    reached("sealed")
    put_in_place(target, made.generation, reached)
    clean(target, keep_generations)
    return made


def _stage_parquet(
    session: Session, warehouse: Path, folder: Path, as_of_date: date, code_hash: str
) -> tuple[Decision, tuple[TableContent, ...]]:
    """Ask for the verdict and write every public table, ordered, from one snapshot."""
    if not warehouse.exists():
        raise WarehouseError(f"there is no {warehouse.name} yet: run `lifestage refresh` first")
    # The name must be the file's own: views in it say where they read.
    source = warehouse.stem
    attach(session, warehouse, source, read_only=True)
    with transaction(session):
        there = session.relations(source)
        if ("marts", "customers") not in there:
            raise WarehouseError(
                "the warehouse has no customers table: run `lifestage refresh` first"
            )
        decision = decide(session, source, as_of_date, code_hash)
        if not decision.is_allowed:
            raise PublicationHeld(decision.reason, decision.held_by)
        tables = tuple(
            _stage_table(session, source, table, folder)
            for table in (*PUBLIC_TABLES, *RECORD_TABLES)
            if (table.schema, table.name) in there
        )
    return decision, tables


def _stage_table(session: Session, source: str, table: PublicTable, folder: Path) -> TableContent:
    columns = session.columns(source, table.schema, table.name)
    order = ", ".join(quoted(name) for name in table.key or [name for name, _, _ in columns])
    relation = f"{quoted(source)}.{quoted(table.schema)}.{quoted(table.name)}"
    path = folder / f"{table.name}.parquet"
    write_parquet(session, f"select * from {relation} order by {order}", path)
    rows = session.fetch(f"select count(*) from {relation}")[0][0]
    return TableContent(
        name=table.name,
        rows=rows,
        column_hash=column_hash(columns),
        content_hash=file_hash(path),
        kind="record" if table in RECORD_TABLES else "content",
    )


def named(
    decision: Decision, tables: tuple[TableContent, ...]
) -> tuple[Generation, PublicationStatus, dict[str, Any]]:
    """Name a generation by what it contains, say how good it is, and what its list will say."""
    verdict = decision.verdict
    if verdict is None:
        raise PublicationHeld(decision.reason, decision.held_by)
    generation = generation_name(verdict.as_of_date, tables)
    status = PublicationStatus(
        as_of_date=verdict.as_of_date,
        generation=generation,
        verdict=decision.status,
        approved_checks=", ".join(decision.approved) or None,
    )
    made = Generation(generation, verdict.as_of_date, tables, is_new=True)
    about = {**status.listed(), "results_hash": verdict.results_hash}
    # What was measured follows from the content and from limits that may change without it.
    measured = {table.name: table.content_hash for table in tables if table.name in MEASURED}
    return made, status, {**about, "measured": measured} if measured else about


def _is_in_place(
    target: Path, status: PublicationStatus, about: Mapping[str, Any], forms: tuple[bool, bool]
) -> bool:
    """Tell whether readers already see this, as Parquet and report too if that is asked for."""
    place = served(target)
    if place is None:
        return False
    manifest = place.manifest()
    has_forms = ((place.path / PARQUET).is_dir(), (place.path / REPORT_FILE).is_file())
    if has_forms != forms or any(manifest.get(name) != about[name] for name in about):
        return False
    try:
        return read_status(place.database) == status
    except WarehouseError:
        # A damaged file is replaced; whether it may be is for the brake to say.
        return False


def _brake(
    session: Session, database: Path, folder: Path, max_removed_share: float, source: str
) -> None:
    """Hold the publication when too many published customers would vanish; who is erased may."""
    try:
        attach(session, database, "current_database", read_only=True)
        is_meant = (
            is_erased("customer_id", "customer_id", source)
            if has_requests(session, source)
            else "false"
        )
        before, removed = session.fetch(
            "select count(*), count(*) filter (where customer_id not in"
            f" (select customer_id from {read_parquet(folder / 'customers.parquet')})"
            f" and not ({is_meant}))"
            f" from current_database.{SCHEMA}.customers"
        )[0]
        session.run("detach current_database")
    except WarehouseError as error:
        raise PublicationHeld(
            f"what is published cannot be compared ({error}): if {database.name} is damaged,"
            f" run `lifestage rollback`, or remove the link {CURRENT} beside it",
            BRAKE,
        ) from error
    refuse_loss(before, removed, max_removed_share)


def refuse_loss(before: int, removed: int, max_removed_share: float) -> None:
    """Hold the publication when more of the published customers would vanish than may.

    Raises:
        PublicationHeld: It is so.
    """
    if before and removed / before > max_removed_share:
        raise PublicationHeld(
            f"{removed} of {before} published customers would vanish ({removed / before:.1%}),"
            f" the limit is {max_removed_share:.1%}: look at the feeds and at rejected_rows; if it"
            " is meant, raise publication.max_removed_share for one run",
            BRAKE,
        )


def _stage_database(
    session: Session, source: str, staging: Path, made: Generation, status: PublicationStatus
) -> None:
    """Write the published database from the staged Parquet files, with manifest and status."""
    name = "next_database"
    attach(session, staging / DATABASE_FILE, name, read_only=False)
    session.run(f"create schema {name}.{SCHEMA}")
    schemas = {table.name: table.schema for table in (*PUBLIC_TABLES, *RECORD_TABLES)}
    for table in made.tables:
        relation = f"{name}.{SCHEMA}.{quoted(table.name)}"
        parquet = read_parquet(staging / PARQUET / f"{table.name}.parquet")
        session.run(f"create table {relation} as select * from {parquet}")
        columns = session.columns(source, schemas[table.name], table.name)
        describe_table(session, relation, [(column, comment) for column, _, comment in columns])
    manifest = f"{name}.{SCHEMA}.{MANIFEST_TABLE}"
    columns = ", ".join(f"{column.name} {column.kind}" for column in MANIFEST.columns)
    session.run(f"create table {manifest} ({columns})")
    for table in sorted(made.tables, key=lambda table: table.name):
        row = [made.generation, made.as_of_date, table.name, table.kind, table.rows]
        hashes = [table.column_hash, table.content_hash]
        session.run(f"insert into {manifest} values (?, ?, ?, ?, ?, ?, ?)", [*row, *hashes])
    describe_table(session, manifest, [(part.name, part.description) for part in MANIFEST.columns])
    write_status(session, name, status)
    write_parquet(
        session,
        f"select * from {name}.{SCHEMA}.{STATUS_TABLE}",
        staging / PARQUET / f"{STATUS_TABLE}.parquet",
    )
    session.run(f"detach {name}")
