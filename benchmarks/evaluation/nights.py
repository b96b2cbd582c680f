"""Nights of a simulated company: all tables that the checks read, and the checks' answers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.evaluation import aggregates, movement
from benchmarks.evaluation.aggregates import Deliveries, Rows
from benchmarks.evaluation.history import History, Snapshot
from benchmarks.evaluation.labels import RULES_DIR
from orchestration.measures.night import Night, judge_night
from orchestration.rules import read_thresholds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from benchmarks.evaluation.labels import Card, Segments
    from benchmarks.evaluation.worlds import World
    from orchestration.measures.checks import Definition, Result

OF_ORDERS = (
    aggregates.source_arrivals,
    aggregates.intake,
    aggregates.conservation,
    aggregates.late_arrivals,
    aggregates.nulls,
)
OF_SEGMENTS = (
    movement.transitions,
    movement.moves_by_cause,
    movement.cohorts,
    movement.unmapped,
    movement.flapping,
    movement.segment_moments,
    movement.segment_daily_metrics,
    movement.definitions,
    movement.published_as_of,
)
OF_BOTH = (
    aggregates.drift_bins,
    aggregates.drift_locations,
    movement.futures,
    movement.recompute,
    movement.responses,
    movement.response_bins,
    movement.definition_log,
    movement.published_definitions,
)


def night_tables(
    seen: Deliveries, snapshot: Snapshot | None, wanted: Iterable[str] | None = None
) -> dict[str, Rows]:
    """Build the tables of one night.

    Args:
        seen: the orders that have arrived.
        snapshot: the segments of the same night; without it only the tables about orders.
        wanted: names of the tables, all if none are given.

    Returns:
        Rows by table, named as the checks read them.
    """
    builders: dict[str, Callable[[], Rows]] = {
        "daily_series": partial(aggregates.daily_series, seen, snapshot),
        "calendar_days": partial(aggregates.calendar_days, seen.world),
        "schema_problems": list,
        "forbidden_moves": movement.forbidden_moves,
    }
    builders |= {function.__name__: partial(function, seen) for function in OF_ORDERS}
    if snapshot is not None:
        builders |= {function.__name__: partial(function, snapshot) for function in OF_SEGMENTS}
        builders |= {function.__name__: partial(function, seen, snapshot) for function in OF_BOTH}
    chosen = set(builders if wanted is None else wanted)
    return {name: build() for name, build in builders.items() if name in chosen}


def walk(
    world: World,
    segments: Segments,
    first: int,
    last: int,
    *,
    wanted: Iterable[str] | None = None,
    cards: list[Card] | None = None,
    copies: Mapping[int, Mapping[str, int]] | None = None,
) -> Iterator[tuple[int, dict[str, Rows]]]:
    """Yield nights of a company with their tables.

    Args:
        world: the company.
        segments: the segments and their cells.
        first: first night.
        last: last night.
        wanted: names of the tables, all if none are given.
        cards: scorecards instead of those of the calendar.
        copies: rows delivered twice: by night, how many of each kind staging sets apart.
    """
    kept = {"copies": copies or {}}
    names = None if wanted is None else tuple(wanted)
    for snapshot in History(world, segments, first, last, cards=cards).snapshots():
        seen = Deliveries(world, snapshot.night, kept)
        yield snapshot.night, night_tables(seen, snapshot, names)


def read_definitions(check_ids: Iterable[str] | None = None) -> dict[str, Definition]:
    """Read the shipped thresholds of some checks, of all if none are named."""
    known = read_thresholds(RULES_DIR)
    chosen = set(known if check_ids is None else check_ids)
    return {name: definition for name, definition in known.items() if name in chosen}


def judged(
    world: World, night: int, tables: dict[str, Rows], definitions: Mapping[str, Definition]
) -> tuple[Result, ...]:
    """Judge a night as the nightly run does."""
    return judge_night(Night(world.date_of(night), tables), definitions)
