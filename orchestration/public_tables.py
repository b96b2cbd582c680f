"""Which tables readers get, what tells their rows apart, and what their columns promise.

Tables of content come from dbt, which declares their columns in its own files; they name the
generation. Tables of record say how it came about. How tables are written is in
`orchestration.publication`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml

from orchestration.check_tables import CHECK_RESULTS, SEGMENT_VERDICTS
from orchestration.check_tables import SCHEMA as CHECKS
from orchestration.measurement_tables import CAMPAIGN_LIFT, FAIRNESS_REPORT, HOLDOUT_CHECKS
from orchestration.measurement_tables import SCHEMA as MEASUREMENT
from orchestration.overlay import DBT_PROJECT_DIR
from orchestration.publication_status import PUBLICATION_STATUS, STATUS_TABLE
from orchestration.table_contracts import Column, TableContract

if TYPE_CHECKING:
    from collections.abc import Sequence

MANIFEST_TABLE = "manifest"
ACTIVATION = "activation"
DECLARED_IN = ("models/marts", "models/staging", "models/activation")
# dbt's portable names of types, in DuckDB's words.
KINDS = {"string": "VARCHAR", "text": "VARCHAR", "int": "INTEGER"}


@dataclass(frozen=True)
class PublicTable:
    """A table for readers.

    Attributes:
        name: Its name there and where it is built.
        key: What tells rows apart and orders them; empty if rows may be equal.
        optional: Columns of the key that may be null.
        schema: Where it is built.
    """

    name: str
    key: tuple[str, ...]
    optional: tuple[str, ...] = ()
    schema: str = "marts"


PUBLIC_TABLES = (
    PublicTable("customers", ("customer_id",)),
    PublicTable("customer_timeline", ("customer_id", "valid_from")),
    PublicTable(
        "segment_transitions",
        ("date_day", "from_segment", "to_segment", "cause"),
        optional=("from_segment", "to_segment"),
    ),
    PublicTable("segment_daily_metrics", ("date_day", "segment")),
    PublicTable("segment_movement", ("period", "period_start")),
    PublicTable(
        "segment_migrations",
        ("period", "period_start", "from_segment", "to_segment", "cause"),
        optional=("from_segment", "to_segment", "cause"),
    ),
    PublicTable("segment_profiles", ("date_day", "segment")),
    PublicTable("segment_performance", ("period_start", "segment")),
    PublicTable("segment_definitions", ("kind", "name")),
    PublicTable("regimes", ("valid_from",)),
    PublicTable("scorecards", ("scorecard_id", "metric", "score")),
    PublicTable("definition_log", ("definition_id",)),
    PublicTable("audiences", ("audience",), schema=ACTIVATION),
    PublicTable("audience_memberships", ("audience", "customer_id"), schema=ACTIVATION),
    PublicTable("audience_changes", ("audience", "customer_id"), schema=ACTIVATION),
    PublicTable("audience_reach", ("audience",), schema=ACTIVATION),
    PublicTable("audience_overlap", ("audience", "other_audience"), schema=ACTIVATION),
    PublicTable(
        "contact_pressure", ("as_of_date", "customer_id", "channel", "days"), schema=ACTIVATION
    ),
    PublicTable("crm_tags", ("customer_id",), schema=ACTIVATION),
    PublicTable("audience_events", ("audience", "customer_id", "event_date"), schema=ACTIVATION),
    PublicTable("identity_conflicts", ("kind", "conflict_id", "customer_id"), schema=ACTIVATION),
    PublicTable("source_coverage", ("source",), schema=ACTIVATION),
    PublicTable(
        "channel_responses", ("channel", "segment"), optional=("segment",), schema=ACTIVATION
    ),
    PublicTable("rejected_rows", (), schema="staging"),
    PublicTable("order_intake", ("source", "file"), optional=("file",), schema="staging"),
)
RECORD_TABLES = (
    PublicTable("check_results", CHECK_RESULTS.key, schema=CHECKS),
    PublicTable("segment_verdicts", SEGMENT_VERDICTS.key, schema=CHECKS),
    PublicTable("campaign_lift", CAMPAIGN_LIFT.key, schema=MEASUREMENT),
    PublicTable("holdout_checks", HOLDOUT_CHECKS.key, schema=MEASUREMENT),
    PublicTable("fairness_report", FAIRNESS_REPORT.key, schema=MEASUREMENT),
)
MANIFEST = TableContract(
    (
        Column("generation", "VARCHAR", "The generation: a hash of its content."),
        Column("as_of_date", "DATE", "The last day that the tables know."),
        Column("table_name", "VARCHAR", "The table."),
        Column("kind", "VARCHAR", "What it is of.", accepted=("content", "record")),
        Column("row_count", "BIGINT", "Its rows."),
        Column("column_hash", "VARCHAR", "A hash of the names and types of its columns."),
        Column("content_hash", "VARCHAR", "A hash of its rows in the order of their key."),
    ),
    key=("table_name",),
    description="What the generation consists of. One row per table.",
)


def contracts() -> dict[str, TableContract]:
    """Return what every public table promises; one that dbt does not declare is left out."""
    declared = _declared_by_dbt()
    return {
        **{
            table.name: promised(table, declared[table.name])
            for table in PUBLIC_TABLES
            if table.name in declared
        },
        "check_results": CHECK_RESULTS,
        "segment_verdicts": SEGMENT_VERDICTS,
        "campaign_lift": CAMPAIGN_LIFT,
        "holdout_checks": HOLDOUT_CHECKS,
        "fairness_report": FAIRNESS_REPORT,
        STATUS_TABLE: PUBLICATION_STATUS,
        MANIFEST_TABLE: MANIFEST,
    }


def promised(table: PublicTable, columns: Sequence[Column]) -> TableContract:
    """Make the contract of a table: no column of its key is null unless the table says so."""
    certain = set(table.key) - set(table.optional)
    return TableContract(
        tuple(
            replace(part, is_nullable=False) if part.name in certain else part for part in columns
        ),
        table.key,
    )


@cache
def _declared_by_dbt() -> dict[str, tuple[Column, ...]]:
    models: dict[str, tuple[Column, ...]] = {}
    for folder in DECLARED_IN:
        for path in sorted((DBT_PROJECT_DIR / folder).rglob("*.yml")):
            file = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
            for model in file.get("models", ()):
                name = model.get("config", {}).get("alias", model["name"])
                models[name] = tuple(_column(part) for part in model.get("columns", ()))
    return models


def _column(declared: dict[str, Any]) -> Column:
    """Read one column as dbt declares it."""
    tests = declared.get("data_tests", [])
    constraints = {constraint["type"] for constraint in declared.get("constraints", [])}
    accepted: tuple[str, ...] = ()
    for test in tests:
        if isinstance(test, dict) and "accepted_values" in test:
            accepted = tuple(map(str, test["accepted_values"]["arguments"]["values"]))
    kind = str(declared.get("data_type", ""))
    return Column(
        name=declared["name"],
        kind=KINDS.get(kind, kind.upper()),
        description=" ".join(str(declared.get("description", "")).split()),
        is_nullable="not_null" not in constraints and "not_null" not in tests,
        accepted=accepted,
    )
