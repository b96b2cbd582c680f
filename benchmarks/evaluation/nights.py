"""Nights of a simulated company: all tables that the checks read, and the checks' answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.evaluation import aggregates, movement
from benchmarks.evaluation.aggregates import Deliveries, Rows
from benchmarks.evaluation.history import History, Snapshot
from benchmarks.evaluation.labels import RULES_DIR
from orchestration.measures.night import Night, judge_night
from orchestration.rules import read_thresholds

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

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


@dataclass(frozen=True)
class Evening:
    """A night of a company before it is judged."""

    night: int
    tables: dict[str, Rows]
    seen: Deliveries
    snapshot: Snapshot

    @property
    def world(self) -> World:
        return self.seen.world


@dataclass(frozen=True)
class Delivered:
    """A company as it is delivered: its orders, and what is wrong beside them.

    Attributes:
        world: the company.
        cards: scorecards instead of those of the calendar.
        copies: rows delivered twice: by night, how many of each kind staging sets apart.
        edit: changes the tables of a night before they are judged.
    """

    world: World
    cards: list[Card] | None = None
    copies: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    edit: Callable[[Evening], None] | None = None


def walk(
    delivered: Delivered,
    segments: Segments,
    nights: Collection[int],
    wanted: Collection[str] | None = None,
) -> Iterator[Evening]:
    """Yield nights of a company with their tables.

    Args:
        delivered: the company.
        segments: the segments and their cells.
        nights: the nights wanted.
        wanted: names of the tables, all if none are given.
    """
    world = delivered.world
    kept = {"copies": delivered.copies}
    history = History(world, segments, min(nights), max(nights), cards=delivered.cards)
    for snapshot in history.snapshots():
        if snapshot.night in nights:
            seen = Deliveries(world, snapshot.night, kept)
            tables = night_tables(seen, snapshot, wanted)
            evening = Evening(snapshot.night, tables, seen, snapshot)
            if delivered.edit is not None:
                delivered.edit(evening)
            yield evening


def read_definitions(check_ids: Iterable[str] | None = None) -> dict[str, Definition]:
    """Read the shipped thresholds of some checks, of all if none are named."""
    known = read_thresholds(RULES_DIR)
    chosen = set(known if check_ids is None else check_ids)
    return {name: definition for name, definition in known.items() if name in chosen}


def judge(evening: Evening, definitions: Mapping[str, Definition]) -> tuple[Result, ...]:
    """Judge a night as the nightly run does."""
    return judge_night(Night(evening.world.date_of(evening.night), evening.tables), definitions)
