"""Takes a night from the warehouse to its verdict: read the aggregates, judge them, write it down.

What is counted is decided by the dbt models of the layer `quality`, how it is judged by
`orchestration.measures`, what follows from the verdict by `orchestration.gate`. Only aggregates
come here, never rows of customers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from orchestration.gate import Verdict, record
from orchestration.input_columns import columns_now, known_columns, schema_problems
from orchestration.measures.night import Night, Unavailable, judge_night
from orchestration.measures.segment_usefulness import SegmentVerdict, segment_verdict_rows
from orchestration.overlay import rules_dir
from orchestration.provenance import code_hash, day_of_tables, input_hash
from orchestration.rules import read_thresholds
from orchestration.shelf import Shelf, shelf_of
from orchestration.warehouse import EngineError, WarehouseError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date

    from orchestration.config import Config
    from orchestration.measures.checks import Definition, Result
    from orchestration.settings import Settings
    from orchestration.warehouse import Session

Rows: TypeAlias = "Sequence[Mapping[str, Any]] | Unavailable"

# Daily counts of two years for a dozen series; everything else is far smaller.
MOST_ROWS = 20_000
# What is read of the schema `quality`, by the asset that it is judged for.
QUALITY_TABLES: dict[str, tuple[str, ...]] = {
    "arrival": (
        *("source_arrivals", "daily_series", "intake", "conservation", "late_arrivals"),
        "unmapped",
    ),
    "drift": ("drift_bins", "drift_locations", "nulls"),
    "stability": (
        *("transitions", "moves_by_cause", "cohorts", "recompute", "flapping"),
        "forbidden_moves",
    ),
    "usefulness": (*("segment_moments", "responses", "response_bins", "futures", "definitions"),),
}
# The same for other schemas, with the query that makes it small.
OTHER_TABLES: dict[str, dict[str, str]] = {
    "arrival": {
        "calendar_days": "select date_day, kind, name from rules.calendar_days order by 1, 2, 3",
    },
    "stability": {
        "segment_daily_metrics": (
            "with newest as (select max(date_day) as day from marts.segment_daily_metrics)"
            " select date_day, segment, customers, customer_share from marts.segment_daily_metrics"
            " cross join newest where date_day > day - 70 order by date_day, segment"
        ),
        "definition_log": "select * from marts.definition_log order by all",
    },
}


@dataclass(frozen=True)
class Judgement:
    """One night, judged and written down."""

    results: tuple[Result, ...]
    segments: tuple[SegmentVerdict, ...]
    verdict: Verdict


def definitions_in_force(settings: Settings, config: Config) -> dict[str, Definition]:
    """Read the checks of an installation, by id.

    Raises:
        RuleFileError: The table of thresholds cannot be read.
    """
    return read_thresholds(rules_dir(settings, config))


def judge(session: Session, settings: Settings, config: Config) -> Judgement:
    """Judge the night that the tables have reached, and write down results and verdict.

    Args:
        session: The warehouse, open for writing.
        settings: The installation.
        config: The configuration.

    Raises:
        OriginError: Nobody knows what the tables were made from.
        GateError: They were made from something else than what is there now.
    """
    definitions = definitions_in_force(settings, config)
    database = session.database
    day = day_of_tables(session, database)
    inputs, code = input_hash(session, database), code_hash(settings, config)
    night = read_night(session, settings, config, day)
    results = judge_night(night, definitions)
    segments = tuple(segment_verdict_rows(night, results, definitions))
    verdict = record(
        session,
        day,
        results,
        segments,
        input_hash=inputs,
        code_hash=code,
        definitions=definitions,
    )
    return Judgement(results, segments, verdict)


def read_night(session: Session, settings: Settings, config: Config, day: date) -> Night:
    """Read everything that the checks of a night look at.

    A table that cannot be read stands there as unavailable; what follows from it is decided by
    each check that needs it.
    """
    queries = {
        name: f"select * from quality.quality_{name} order by all"
        for names in QUALITY_TABLES.values()
        for name in names
    }
    for others in OTHER_TABLES.values():
        queries |= others
    tables: dict[str, Rows] = {name: _rows(session, sql) for name, sql in queries.items()}
    tables["schema_problems"] = _or_unavailable(
        lambda: schema_problems(columns_now(session, config), known_columns(session), config)
    )
    shelf = shelf_of(settings)
    tables["published_as_of"] = _or_unavailable(lambda: _published_as_of(shelf, day))
    tables["published_definitions"] = _or_unavailable(lambda: _published_definitions(shelf))
    return Night(day, tables)


def _rows(session: Session, sql: str) -> Rows:
    return _or_unavailable(lambda: session.fetch_records(sql, cap=MOST_ROWS))


def _or_unavailable(read: Callable[[], Sequence[Mapping[str, Any]]]) -> Rows:
    """Read, or say why not; the engine's own words may hold values, so only their kind counts."""
    try:
        return read()
    except WarehouseError as error:
        return Unavailable(str(error))
    except EngineError as error:
        return Unavailable(f"it cannot be read ({error.kind})")


def _published_as_of(shelf: Shelf, day: date) -> list[dict[str, Any]]:
    made = shelf.current()
    if made is None:
        return []
    return [{"as_of_date": day, "published_as_of": made.as_of_date}]


def _published_definitions(shelf: Shelf) -> list[dict[str, Any]]:
    """Read the rules and scorecards of what readers see; nothing if there is none yet."""
    if shelf.current() is None:
        return []
    with shelf.opened() as session:
        return session.fetch_records(
            "select * from published.definition_log order by definition_id"
        )
