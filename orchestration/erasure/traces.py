"""Removes what is left of erased people on disk: blocks of the warehouse, old tables, old lists.

An erasure counts for more than the wish to go back: generations and deliveries that may name the
people are removed, however many were to be kept. Rows are taken out before, by
`orchestration.erasure.people`.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from orchestration.erasure.requests import (
    BYTES,
    DUTIES,
    LEDGER,
    SCHEMA,
    add_duty,
    close_requests,
    count_open,
    duties,
    end_duty,
    has_requests,
    is_erased,
)
from orchestration.feeds import LOADS_TABLE
from orchestration.shelf import shelf_of
from orchestration.warehouse import (
    DUCKDB,
    WarehouseError,
    attach,
    has_warehouse,
    literal,
    open_scratch,
    open_warehouse,
    quoted,
)

if TYPE_CHECKING:
    from pathlib import Path

    from orchestration.settings import Settings
    from orchestration.warehouse import Session

DELIVERIES_DIR = "deliveries"
# Rows of files on their way in; a killed run leaves the folder.
LOADS = "load-*"
NEXT = ".next"
SCHEMAS = (
    *("rules", "sample", "staging", "intermediate", "marts", "quality", "activation"),
    *("checks", "measurement", "delivery", "erasure"),
)
LEDGER_TABLES = ("members", "attempts")
# Whom the run that has just ended computed anew, and what the guards let go: they name those who
# went, and of those nobody asks them again.
PASSING_LISTS = (
    ("intermediate", "int_customers_touched"),
    ("intermediate", "int_customers_relabelled"),
    ("intermediate", "int_customers_stepping"),
    ("delivery", "let_go"),
)


def compact_if_due(settings: Settings) -> bool:
    """Write the warehouse anew when it may hold erased values in blocks that it does not use.

    Nobody has it open meanwhile; a run that is killed leaves the old file as it was, and the duty.

    Returns:
        Whether it was done.

    Raises:
        WarehouseError: The file is in use, or the new one does not hold what the old one does.
    """
    path, is_file = settings.warehouse_path, settings.target == DUCKDB
    if not has_warehouse(settings):
        return False
    if is_file:
        path.with_name(path.name + NEXT).unlink(missing_ok=True)
    with open_warehouse(settings, read_only=False) as session:
        if BYTES not in duties(session):
            return False
        _empty_lists(session)
        # The logs and backups of a server go by its own rules.
        session.compact(_own_schemas(session))
    if is_file:
        compact(path, settings.memory_limit, settings.threads)
    for left in settings.home.glob(LOADS):
        shutil.rmtree(left)
    if not is_file:
        with open_warehouse(settings, read_only=False) as session:
            end_duty(session, BYTES)
    return True


def compact(path: Path, memory_limit: str, threads: int) -> None:
    """Copy a warehouse into a fresh file, in which the duty is done, and put it in its place.

    Raises:
        WarehouseError: A file cannot be opened, or the copy has other rows.
    """
    fresh, log = (path.with_name(path.name + suffix) for suffix in (NEXT, ".wal"))
    fresh.unlink(missing_ok=True)
    with open_scratch(memory_limit, threads) as session:
        attach(session, path, "worn_database", read_only=True)
        # Under the name it will have: views may say where they read.
        session.run(f"attach {literal(fresh)} as {quoted(path.stem)}")
        session.run(f"copy from database worn_database to {quoted(path.stem)}")
        _refuse_other_rows(session, "worn_database", path.stem)
        session.run(f"delete from {quoted(path.stem)}.{SCHEMA}.{DUTIES} where duty = ?", [BYTES])
        session.run(f"detach {quoted(path.stem)}")
        session.run("detach worn_database")
    if log.exists():
        # It belongs to the old file and would be read into the new one.
        raise WarehouseError(f"{path.name} was changed meanwhile: run `lifestage refresh` again")
    _sync(fresh)
    fresh.replace(path)
    _sync(path.parent)
    shutil.rmtree(path.with_name(path.name + ".tmp"), ignore_errors=True)


def sweep(settings: Settings) -> int:
    """Remove past generations and past deliveries when somebody asked to be forgotten.

    What readers see now must hold nobody who did.

    Returns:
        How many requests are done with.

    Raises:
        WarehouseError: The deliveries cannot be removed; the requests stay open.
    """
    with open_warehouse(settings, read_only=False) as session:
        asked = count_open(session)
    if not asked:
        return 0
    shelf_of(settings).forget_past()
    remove_deliveries(settings)
    with open_warehouse(settings, read_only=False) as session:
        if ledger_members(session):
            add_duty(session, LEDGER)
        close_requests(session)
    return asked


def remove_deliveries(settings: Settings) -> None:
    """Remove the lists that were delivered to folders.

    Raises:
        WarehouseError: They cannot be removed.
    """
    folder = settings.home / DELIVERIES_DIR
    if not os.path.lexists(folder):
        return
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise WarehouseError(
            f"the folder {DELIVERIES_DIR} may name erased people and cannot be removed"
            f" ({type(error).__name__}): check its rights and run `lifestage refresh`"
        ) from error


def ledger_members(session: Session) -> int:
    """Count the erased people whom a destination still has to be told to remove."""
    database = session.database
    there = session.relations(database)
    if not has_requests(session, database):
        return 0
    counts = [
        session.fetch(
            f"select count(*) from delivery.{name} where {is_erased('customer_id', 'customer_id')}"
        )[0][0]
        for name in LEDGER_TABLES
        if ("delivery", name) in there
    ]
    return sum(counts)


def settle_ledger(settings: Settings) -> bool:
    """Write the warehouse anew once every destination has acknowledged the removals.

    Returns:
        Whether it was done.
    """
    with open_warehouse(settings, read_only=False) as session:
        if LEDGER not in duties(session) or ledger_members(session):
            return False
        end_duty(session, LEDGER)
        add_duty(session, BYTES)
    return compact_if_due(settings)


def _own_schemas(session: Session) -> set[str]:
    """Name the schemas that Lifestage fills, that of the loader included."""
    loaded = {schema for schema, name in session.relations(session.database) if name == LOADS_TABLE}
    return {*SCHEMAS, *loaded}


def _empty_lists(session: Session) -> None:
    there = session.relations(session.database)
    for schema, name in PASSING_LISTS:
        if (schema, name) in there:
            session.run(
                f"delete from {schema}.{name} where {is_erased('customer_id', 'customer_id')}"
            )


def _refuse_other_rows(session: Session, old: str, new: str) -> None:
    tables = session.fetch(
        "select schema_name, table_name from duckdb_tables() where database_name = ? order by all",
        [old],
    )
    for schema, name in tables:
        place = f"{quoted(schema)}.{quoted(name)}"
        counts = session.fetch(
            f"select (select count(*) from {quoted(old)}.{place}),"
            f" (select count(*) from {quoted(new)}.{place})"
        )[0]
        if counts[0] != counts[1]:
            raise WarehouseError(f"the copy of {schema}.{name} has other rows: run it again")
    if session.relations(old) != session.relations(new):
        raise WarehouseError("the copy of the warehouse has other tables: run it again")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
