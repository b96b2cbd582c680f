"""Scores and segments of the customers of a simulated company on one day.

A vectorised reading of `docs/concepts.md`: quantile scorecards cut at quarter ends, ties together,
the shipped segment rules. Following the days, and what each night knew of them, is `history`.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.evaluation.worlds import DAYS, Ints, World
from orchestration.measures.rules import cell_map
from orchestration.rules import read_rules

if TYPE_CHECKING:
    from numpy.typing import NDArray

RULES_DIR = Path(__file__).parents[2] / "seeds" / "rules"
PRESET = "default"
SCORES = 5
MIN_CUSTOMERS = 100
MIN_DAYS = 180
LONGEST_SILENCE = DAYS + 1


@dataclass(frozen=True)
class Segments:
    """The segments of the preset: code 0 stands for no segment. `cells` holds the code
    of each cell of scores, and a last row of zeros for customers without an order."""

    names: tuple[str, ...]
    ranks: tuple[int, ...]
    cells: NDArray[np.int8]


@cache
def read_segments() -> Segments:
    """Read the shipped rules and segments of the default preset."""
    rules = read_rules(RULES_DIR)
    rows = [row for row in rules.segments if row.preset == PRESET]
    names = tuple(row.segment for row in rows)
    since = min(rule.valid_from for rule in rules.segment_rules if rule.preset == PRESET)
    cells = np.zeros((SCORES + 1, SCORES, SCORES), np.int8)
    for (r, f, m), segment in cell_map(rules.segment_rules, PRESET, since).items():
        cells[r - 1, f - 1, m - 1] = names.index(segment) + 1
    return Segments(names, tuple(row.rank for row in rows), cells.ravel())


@dataclass
class Book:
    """State per customer at the end of a day: last order's day (-1 for none), orders, cents."""

    last: Ints
    orders: Ints
    cents: Ints


@dataclass(frozen=True)
class Card:
    """A scorecard and the population it was cut on. Cut points are in fifths, so exact.

    Somebody meddled with a card that is not its own.
    """

    calibrated_on: int
    valid_from: int
    recency: Ints
    frequency: Ints
    monetary: Ints
    population: dict[str, Ints] = field(repr=False)
    is_own: bool = True

    @cached_property
    def by_silence(self) -> Ints:
        """Recency score less one, by days of silence."""
        return 4 - np.searchsorted(self.recency, np.arange(LONGEST_SILENCE) * 5)

    def scaled(self, factor_in_percent: int, valid_from: int) -> Card:
        """Return the card with every cut point multiplied, in force from the day given."""
        cuts = (self.recency, self.frequency, self.monetary)
        recency, frequency, monetary = (values * factor_in_percent // 100 for values in cuts)
        return replace(
            self,
            valid_from=valid_from,
            recency=recency,
            frequency=frequency,
            monetary=monetary,
            is_own=False,
        )


def cut_points(values: Ints) -> Ints:
    """Quintiles of type 7, times five."""
    at = (len(values) - 1) * np.arange(1, 5)
    lower, fifths = at // 5, at % 5
    upper = np.minimum(lower + 1, len(values) - 1)
    ordered = np.partition(values, np.unique(np.concatenate([lower, upper])))
    return ordered[lower] * 5 + fifths * (ordered[upper] - ordered[lower])


def book_at(world: World, day: int) -> Book:
    """State of every customer at the end of a day, with every order of it in place."""
    orders, refunds = world.orders, world.refunds
    seen = int(np.searchsorted(orders.day, day, side="right"))
    paid = int(np.searchsorted(refunds.day, day, side="right"))
    last = np.full(world.customers, -1)
    # Orders are sorted by day, so the last assignment of a customer is the newest.
    last[orders.customer[:seen]] = orders.day[:seen]
    count = np.bincount(orders.customer[:seen], minlength=world.customers)
    cents = sums(orders.customer[:seen], orders.cents[:seen], world.customers)
    cents -= sums(refunds.customer[:paid], refunds.cents[:paid], world.customers)
    return Book(last, count, cents)


def sums(groups: Ints, cents: Ints, number: int) -> Ints:
    # Weights are added as doubles, which are exact for cents below 2^53.
    return np.bincount(groups, weights=cents, minlength=number).astype(np.int64)


def cut_card(world: World, calibrated_on: int, valid_from: int) -> Card:
    people = population(book_at(world, calibrated_on), calibrated_on)
    recency, frequency, monetary = (cut_points(values) for values in people.values())
    return Card(calibrated_on, valid_from, recency, frequency, monetary, people)


def population(book: Book, day: int) -> dict[str, Ints]:
    """Recency, frequency and money in cents of everybody who has ordered."""
    known = book.last >= 0
    return {
        "recency": day - book.last[known],
        "frequency": book.orders[known],
        "monetary": book.cents[known],
    }


def cards_of(world: World, first: int, last: int) -> list[Card]:
    """Cut the scorecards in force from one day to another, the oldest first.

    Until there is enough history the only card is provisional: cut on the last day.
    """
    eligible = first_eligible_day(world)
    if eligible is None or last < eligible:
        return [cut_card(world, last, -1)]
    ends = [day for day in range(eligible, last) if _is_quarter_end(world, day)]
    days = [eligible, *(day for day in ends if day > eligible)]
    starts = [-1, *(day + 1 for day in days[1:])]
    needed = max(bisect_right(starts, first) - 1, 0)
    return [
        cut_card(world, day, start)
        for day, start in zip(days[needed:], starts[needed:], strict=True)
    ]


def _is_quarter_end(world: World, day: int) -> bool:
    after = world.date_of(day) + timedelta(days=1)
    return after.day == 1 and after.month % 3 == 1


def first_order_days(world: World) -> Ints:
    """Day of each customer's first order; every customer of a world has one."""
    first = np.full(world.customers, world.traits.days)
    # Written from the last order to the first, so the first one stays.
    first[world.orders.customer[::-1]] = world.orders.day[::-1]
    return first


def first_eligible_day(world: World) -> int | None:
    begun = np.sort(first_order_days(world))
    if len(begun) < MIN_CUSTOMERS:
        return None
    return int(max(begun[MIN_CUSTOMERS - 1], begun[0] + MIN_DAYS))


@dataclass
class Scores:
    """Labels under one card: `fm` holds the frequency and monetary part of each customer's cell."""

    segments: Segments
    card: Card
    fm: NDArray[np.int8]

    @staticmethod
    def part(card: Card, orders: Ints, cents: Ints) -> NDArray[np.int8]:
        f = np.searchsorted(card.frequency, orders * 5)
        m = np.searchsorted(card.monetary, cents * 5)
        return (f * 5 + m).astype(np.int8)

    @classmethod
    def of(cls, segments: Segments, card: Card, book: Book) -> Scores:
        return cls(segments, card, cls.part(card, book.orders, book.cents))

    def label(self, last: Ints, day: int) -> NDArray[np.int8]:
        """Codes by day of the last order; who has none yet, -1, takes the empty last row."""
        rows = np.full(day + 2, SCORES, np.int16)
        rows[: day + 1] = self.card.by_silence[day::-1]
        places = np.take(rows * (SCORES * SCORES), last, mode="wrap")
        places += self.fm
        return np.take(self.segments.cells, places)
