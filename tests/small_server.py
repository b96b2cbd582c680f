"""Small warehouses on a server, with public tables and a verdict on them, written without dbt."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from orchestration.provenance import mark_built
from orchestration.warehouse import open_server
from tests.small_warehouse import CODE, DAY, GOOD, record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestration.measures.checks import Result
    from orchestration.settings import Settings
    from orchestration.warehouse import ServerSession

SCHEMAS = ("marts", "staging", "intermediate", "quality")
CAUSES = ("bought", "aged")


def make_tables(settings: Settings, customers: int = 50, as_of: date = DAY, mood: str = "") -> None:
    """Build the tables anew, as a night would; with a mood customers have one more column."""
    timeline = [
        (f"C{c}", date(2024, 1, 1) + timedelta(days=30 * i), Decimal(c + i), i == 3, CAUSES[i > 0])
        for c in range(customers)
        for i in range(4)
    ]
    newest = [(f"C{c}", as_of, Decimal(c + 3), *([mood] if mood else [])) for c in range(customers)]
    columns = "customer_id varchar, as_of_date date, monetary decimal(18, 4)"
    tables: dict[str, tuple[str, Sequence[Sequence[Any]]]] = {
        "marts.customer_timeline": (
            (
                "customer_id varchar, valid_from date, monetary decimal(18, 4),"
                " is_projected boolean, cause varchar"
            ),
            timeline,
        ),
        "marts.customers": (columns + (", mood varchar" if mood else ""), newest),
        "staging.rejected_rows": (
            "source varchar, line bigint",
            [("orders", None), ("orders", 7)],
        ),
        "quality.quality_input_fingerprints": (
            "source varchar, row_count bigint, fingerprint decimal(38, 0)",
            [("orders", 20, Decimal(190))],
        ),
        "intermediate.int_as_of_applied": ("as_of_date date", [(as_of,)]),
        "intermediate.int_run_begun": ("run_id varchar", [("run-1",)]),
        "intermediate.int_run_applied": ("run_id varchar", [("run-1",)]),
    }
    with open_server(settings) as session:
        for schema in SCHEMAS:
            session.run(f"drop schema if exists {schema} cascade")
            session.run(f"create schema {schema}")
        for name, (declared, rows) in tables.items():
            session.run(f"create table {name} ({declared})")
            session.insert(name, [part.split()[0] for part in split(declared)], rows)
        session.comment("marts.customer_timeline", "monetary", "Money so far.")


def split(declared: str) -> list[str]:
    """Split declared columns, not the digits of a type."""
    return declared.replace("(18, 4)", "").replace("(38, 0)", "").split(", ")


def judge(
    settings: Settings, results: Sequence[Result] = GOOD, as_of: date = DAY, code: str = CODE
) -> None:
    """Say that the tables were built, and record results of their checks."""
    with open_server(settings) as session:
        mark_built(session, code)
        record(session, results, as_of, code)


def make_judged(settings: Settings, customers: int = 50, as_of: date = DAY, mood: str = "") -> None:
    """Build tables that pass their checks."""
    make_tables(settings, customers, as_of, mood)
    judge(settings, as_of=as_of)


def everything(session: ServerSession) -> set[str]:
    """The schemas of generations."""
    return {schema for schema in session.schemas() if schema.startswith("published_")}
