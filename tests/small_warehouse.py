"""Small warehouses with public tables and a verdict on them, written without dbt."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from orchestration import gate
from orchestration.measures.checks import Definition, Result
from orchestration.provenance import input_hash, mark_built
from orchestration.public_tables import PUBLIC_TABLES, contracts, promised
from orchestration.table_contracts import Column
from orchestration.warehouse import open_database

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from orchestration.measures.checks import Status
    from orchestration.table_contracts import TableContract
    from orchestration.warehouse import Session

DAY = date(2026, 6, 30)
CODE = "c0de"
COLUMNS = {
    "customers": (
        Column("customer_id", "VARCHAR", "The customer."),
        Column("as_of_date", "DATE", "The day."),
        Column("monetary", "DECIMAL(18,4)", "Money so far."),
    ),
    "customer_timeline": (
        Column("customer_id", "VARCHAR", "The customer."),
        Column("valid_from", "DATE", "The first day."),
        Column("monetary", "DECIMAL(18,4)", "Money so far."),
        Column("is_projected", "BOOLEAN", "Whether it lies ahead."),
        Column("cause", "VARCHAR", "Why.", accepted=("bought", "aged")),
    ),
    "rejected_rows": (
        Column("source", "VARCHAR", "The input."),
        Column("line", "BIGINT", "The line.", is_nullable=True),
    ),
}


def small_contracts() -> dict[str, TableContract]:
    """What the small tables promise, beside the tables of record as they are."""
    small = {t.name: promised(t, COLUMNS[t.name]) for t in PUBLIC_TABLES if t.name in COLUMNS}
    return contracts() | small


def definition(check_id: str, check: str, **other: object) -> Definition:
    texts = {"title": check, "measures": "m", "why": "w", "remedy": f"Mend {check}."}
    return replace(Definition(check_id, check, asset="arrival", **texts), **other)  # ty: ignore


VOLUME = definition("C02", "volume_weekday", blocks="publication")
KEYS = definition("C03", "key_integrity", blocks="publication", is_required=True)
DRIFT = definition("C10", "feature_psi", blocks="activation")
DEFINITIONS = {part.check_id: part for part in (VOLUME, KEYS, DRIFT)}


def result(
    check: Definition, status: Status = "pass", subject: str = "all", value: float | None = 0.25
) -> Result:
    return Result(
        as_of_date=DAY,
        check_id=check.check_id,
        check=check.check,
        title=check.title,
        asset=check.asset,
        subject=subject,
        value=value,
        warn_threshold=0.1,
        error_threshold=0.2,
        reference_count=100,
        current_count=90,
        effect=None,
        p_value=None,
        p_adjusted=None,
        status=status,
        is_required=check.is_required,
        blocks=check.blocks,
        message=f"{check.title} of {subject} is {status}.",
        details={"expected": 0.2},
    )


GOOD = (result(VOLUME), result(KEYS), result(DRIFT))


def make_warehouse(home: Path, customers: int = 50, as_of: date = DAY, shuffled: int = 0) -> Path:
    """Write a warehouse with small public tables; `shuffled` only changes the order of rows."""
    path = home / "warehouse.duckdb"
    path.unlink(missing_ok=True)
    with open_database(path, read_only=False) as session:
        for schema in ("raw", "marts", "staging", "intermediate", "quality"):
            session.run(f"create schema {schema}")
        session.run(
            "create table marts.customer_timeline as"
            " select 'C' || c as customer_id, date '2024-01-01' + cast(30 * i as integer)"
            " as valid_from, cast(c + i as decimal(18, 4)) as monetary, i = 3 as is_projected,"
            " if(i = 0, 'bought', 'aged') as cause"
            f" from range({customers}) t(c), range(4) u(i)"
            f" order by hash(c * 7 + i + {shuffled})"
        )
        session.run("comment on column marts.customer_timeline.monetary is 'Money so far.'")
        session.run(
            "create view marts.customers as select customer_id,"
            f" date '{as_of}' as as_of_date, max(monetary) as monetary"
            " from warehouse.marts.customer_timeline group by customer_id"
        )
        session.run("create table staging.rejected_rows (source varchar, line bigint)")
        session.run("insert into staging.rejected_rows values ('orders', null), ('orders', 7)")
        session.run("create table raw.orders as select range as amount from range(20)")
        session.run(
            "create view quality.quality_input_fingerprints as select 'orders' as source,"
            " count(*) as row_count,"
            " cast(sum(hash(amount)) as decimal(38, 0)) as fingerprint from warehouse.raw.orders"
        )
        session.run(
            f"create table intermediate.int_as_of_applied as select date '{as_of}' as as_of_date"
        )
        for name in ("int_run_begun", "int_run_applied"):
            session.run(f"create table intermediate.{name} as select 'run-1' as run_id")
    return path


def judge(warehouse: Path, *results: Result, as_of: date = DAY, code: str = CODE) -> gate.Verdict:
    """Say that the tables were built, and record results of their checks."""
    with open_database(warehouse, read_only=False) as session:
        mark_built(session, code)
        return record(session, results or GOOD, as_of, code)


def record(
    session: Session, results: Sequence[Result] = GOOD, as_of: date = DAY, code: str = CODE
) -> gate.Verdict:
    return gate.record(
        session,
        as_of,
        [replace(part, as_of_date=as_of) for part in results],
        [],
        input_hash=input_hash(session, session.database),
        code_hash=code,
        definitions=DEFINITIONS,
    )


def judged_warehouse(home: Path, customers: int = 50, as_of: date = DAY, **other: int) -> Path:
    """Write a warehouse whose tables passed their checks."""
    path = make_warehouse(home, customers, as_of, **other)
    judge(path, as_of=as_of)
    return path
