"""Small warehouses on a server, with public tables and a verdict on them, written without dbt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.provenance import mark_built
from orchestration.warehouse import open_server
from tests.small_warehouse import CODE, DAY, GOOD, record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from orchestration.measures.checks import Result
    from orchestration.settings import Settings
    from orchestration.warehouse import ServerSession

SCHEMAS = ("raw", "marts", "staging", "intermediate", "quality")


def make_tables(
    settings: Settings, customers: int = 50, as_of: date = DAY, extra: str = ""
) -> None:
    """Build the tables anew, as a night would; `extra` is one more column of customers."""
    with open_server(settings) as session:
        for schema in SCHEMAS:
            session.run(f"drop schema if exists {schema} cascade")
            session.run(f"create schema {schema}")
        session.run(
            "create table marts.customer_timeline as"
            " select 'C' || c as customer_id, cast('2024-01-01' as date) + 30 * i as valid_from,"
            " cast(c + i as decimal(18, 4)) as monetary, i = 3 as is_projected,"
            " case when i = 0 then 'bought' else 'aged' end as cause"
            f" from generate_series(0, {customers - 1}) as t(c), generate_series(0, 3) as u(i)"
        )
        session.run("comment on column marts.customer_timeline.monetary is 'Money so far.'")
        session.run(
            "create table marts.customers as select customer_id,"
            f" cast('{as_of}' as date) as as_of_date,"
            f" cast(max(monetary) as decimal(18, 4)) as monetary{extra}"
            " from marts.customer_timeline group by customer_id"
        )
        session.run("create table staging.rejected_rows (source varchar, line bigint)")
        session.run("insert into staging.rejected_rows values ('orders', null), ('orders', 7)")
        session.run("create table raw.orders as select 1 as amount")
        session.run(
            "create view quality.quality_input_fingerprints as select 'orders' as source,"
            " count(*) as row_count, sum(amount) as fingerprint from raw.orders"
        )
        session.run(
            "create table intermediate.int_as_of_applied as"
            f" select cast('{as_of}' as date) as as_of_date"
        )
        for name in ("int_run_begun", "int_run_applied"):
            session.run(f"create table intermediate.{name} as select 'run-1' as run_id")


def judge(
    settings: Settings, results: Sequence[Result] = GOOD, as_of: date = DAY, code: str = CODE
) -> None:
    """Say that the tables were built, and record results of their checks."""
    with open_server(settings) as session:
        mark_built(session, code)
        record(session, results, as_of, code)


def make_judged(
    settings: Settings, customers: int = 50, as_of: date = DAY, extra: str = ""
) -> None:
    """Build tables that pass their checks."""
    make_tables(settings, customers, as_of, extra)
    judge(settings, as_of=as_of)


def everything(session: ServerSession) -> set[str]:
    """The schemas of generations."""
    return {schema for schema in session.schemas() if schema.startswith("published_")}
