"""The schema `checks` of the warehouse: what was found, what was concluded, what was approved.

Only Python writes here; the tables are declared, made and written in this module. What the rows
mean for publication is decided by `orchestration.gate`, what they say by `orchestration.measures`.
"""

from __future__ import annotations

import json
import math
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from orchestration.table_contracts import Column, TableContract
from orchestration.warehouse import keep_table, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from orchestration.measures.checks import Definition, Result
    from orchestration.measures.segment_usefulness import SegmentVerdict
    from orchestration.warehouse import Session

SCHEMA = "checks"
STATUSES = ("pass", "warn", "error", "insufficient_data")
BLOCKS = ("publication", "activation", "audience", "none")

AS_OF = Column("as_of_date", "DATE", "The day that was judged.")
INPUT_HASH = Column("input_hash", "VARCHAR", "A hash of every row that came in.")
CODE_HASH = Column(
    "code_hash", "VARCHAR", "A hash of the models, the rules, the checks and the configuration."
)
RUN_ID = Column("run_id", "VARCHAR", "The run that built the tables.")

CHECK_RESULTS = TableContract(
    (
        AS_OF,
        Column("check_id", "VARCHAR", "The check, as docs/checks.md numbers it."),
        Column("check_name", "VARCHAR", "The check."),
        Column("title", "VARCHAR", "The check in words."),
        Column("subject", "VARCHAR", "What was looked at: a source, a series, a segment."),
        Column("value", "DOUBLE", "What was measured.", is_nullable=True),
        Column("warn_threshold", "DOUBLE", "Where a warning begins.", is_nullable=True),
        Column("error_threshold", "DOUBLE", "Where an error begins.", is_nullable=True),
        Column("reference_count", "BIGINT", "Cases it was compared with.", is_nullable=True),
        Column("current_count", "BIGINT", "Cases that were judged.", is_nullable=True),
        Column("effect", "DOUBLE", "How large the difference is.", is_nullable=True),
        Column("p_value", "DOUBLE", "How likely it is by chance alone.", is_nullable=True),
        Column("p_adjusted", "DOUBLE", "The same, for all tests of the day.", is_nullable=True),
        Column("status", "VARCHAR", "What follows from the thresholds.", accepted=STATUSES),
        Column("is_required", "BOOLEAN", "Whether nobody may approve an error of it."),
        Column("blocks", "VARCHAR", "What an error holds back.", accepted=BLOCKS),
        Column("message", "VARCHAR", "The result in one sentence."),
        Column("remedy", "VARCHAR", "What to do about an error."),
        INPUT_HASH,
        Column("details", "VARCHAR", "Further numbers, as JSON."),
    ),
    key=("as_of_date", "check_id", "subject"),
    description="Every check of every night that was judged, held nights included."
    " One row per day, check and subject.",
)
SEGMENT_VERDICTS = TableContract(
    (
        AS_OF,
        Column("segment", "VARCHAR", "The segment."),
        Column("criterion", "VARCHAR", "What a useful segment must be."),
        Column("value", "DOUBLE", "What was measured.", is_nullable=True),
        Column("threshold", "DOUBLE", "What it is held against.", is_nullable=True),
        Column(
            "verdict",
            "VARCHAR",
            "Whether the segment is so; unknown where too little is known.",
            accepted=("pass", "warn", "fail", "unknown"),
        ),
        Column("advice", "VARCHAR", "What to do about it.", is_nullable=True),
    ),
    key=("as_of_date", "segment", "criterion"),
    description="Whether a segment is of use. One row per day, segment and criterion.",
)
VERDICTS = TableContract(
    (
        AS_OF,
        INPUT_HASH,
        CODE_HASH,
        RUN_ID,
        Column("status", "VARCHAR", "The worst result.", accepted=("pass", "warn", "error")),
        Column("blocking", "VARCHAR", "Names of the checks that hold the publication, as JSON."),
        Column("allows_publication", "BOOLEAN", "Whether nothing holds the publication."),
        Column("allows_activation", "BOOLEAN", "Whether nothing holds messages to customers."),
        Column("results_hash", "VARCHAR", "A hash of the results."),
    ),
    key=("as_of_date",),
    description="What follows from the results of a day. One row per day.",
)
APPROVALS = TableContract(
    (
        AS_OF,
        Column("check_id", "VARCHAR", "The check whose error is accepted."),
        Column("approved_by", "VARCHAR", "Who accepted it."),
        Column("reason", "VARCHAR", "Why."),
        Column("valid_until", "DATE", "The last day on which it may be published."),
    ),
    key=("as_of_date", "check_id", "approved_by", "reason", "valid_until"),
    description="Errors that a person accepted. One row per approval.",
)
# The verdict is about tables, so it must be known what those were made from.
BUILT_FROM = TableContract(
    (RUN_ID, INPUT_HASH, CODE_HASH),
    key=("run_id",),
    description="What the tables were made from. One row per warehouse.",
)
KNOWN_COLUMNS = TableContract(
    (
        Column("source", "VARCHAR", "The input."),
        Column("column_name", "VARCHAR", "The column."),
        Column("kind", "VARCHAR", "Its type."),
    ),
    key=("source", "column_name"),
    description="What the published tables were made from. One row per input and column.",
)
TABLES = {
    "check_results": CHECK_RESULTS,
    "segment_verdicts": SEGMENT_VERDICTS,
    "verdicts": VERDICTS,
    "approvals": APPROVALS,
    "built_from": BUILT_FROM,
    "known_columns": KNOWN_COLUMNS,
}


def make_tables(session: Session) -> None:
    """Make the schema and its tables; a table of an earlier version gets the columns it lacks."""
    session.run(f"create schema if not exists {SCHEMA}")
    for name, contract in TABLES.items():
        keep_table(session, SCHEMA, name, contract.described)


def replace_day(
    session: Session, name: str, as_of_date: date, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Put rows in the place of those of the same day; run it inside a transaction."""
    session.run(f"delete from {SCHEMA}.{name} where as_of_date = ?", [as_of_date])
    add_rows(session, name, rows)


def add_rows(session: Session, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows, each a value per column of the contract."""
    names = TABLES[name].names
    session.insert(f"{SCHEMA}.{name}", names, [[row[column] for column in names] for row in rows])


def read_rows(session: Session, database: str, name: str, as_of_date: date) -> list[dict[str, Any]]:
    """Read the rows of a day in the order of their key."""
    contract = TABLES[name]
    return session.fetch_records(
        f"select {', '.join(contract.names)} from {quoted(database)}.{SCHEMA}.{name}"
        f" where as_of_date = ? order by {', '.join(contract.key)}",
        [as_of_date],
    )


def result_rows(
    results: Sequence[Result], definitions: Mapping[str, Definition], input_hash: str
) -> list[dict[str, Any]]:
    """Turn results into rows of `check_results`."""
    return [
        {
            "as_of_date": result.as_of_date,
            "check_id": result.check_id,
            "check_name": result.check,
            "title": result.title,
            "subject": result.subject,
            "value": _finite(result.value),
            "warn_threshold": _finite(result.warn_threshold),
            "error_threshold": _finite(result.error_threshold),
            "reference_count": result.reference_count,
            "current_count": result.current_count,
            "effect": _finite(result.effect),
            "p_value": _finite(result.p_value),
            "p_adjusted": _finite(result.p_adjusted),
            "status": result.status,
            "is_required": result.is_required,
            "blocks": result.blocks,
            "message": result.message,
            "remedy": definitions[result.check_id].remedy,
            "input_hash": input_hash,
            "details": json.dumps(_json(result.details), sort_keys=True, allow_nan=False),
        }
        for result in results
    ]


def segment_rows(verdicts: Sequence[SegmentVerdict]) -> list[dict[str, Any]]:
    """Turn the verdicts on segments into rows of `segment_verdicts`."""
    return [
        {
            "as_of_date": verdict.as_of_date,
            "segment": verdict.segment,
            "criterion": verdict.criterion,
            "value": _finite(verdict.value),
            "threshold": _finite(verdict.threshold),
            "verdict": verdict.verdict,
            "advice": verdict.advice,
        }
        for verdict in verdicts
    ]


def _finite(value: float | None) -> float | None:
    """NaN and infinity are no numbers for readers; the message of the result tells of them."""
    return None if value is None or not math.isfinite(value) else float(value)


def _json(value: Any) -> Any:
    """Make a value of plain JSON out of numbers, texts, days, lists and mappings."""
    if isinstance(value, dict):
        return {str(key): _json(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(part) for part in value]
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Integral):
        return int(value)
    return _finite(float(value)) if isinstance(value, Real) else str(value)
