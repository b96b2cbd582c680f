"""What each night knows of a simulated company: labels, moves and states, day after day.

Labels are computed with every order in place and corrected, night by night, for the customers some
of whose orders have not arrived yet. One thing is simplified: labels are scored by the final cut
points of a scorecard also on the ten nights on which late orders still change them.

How a single day is scored is `labels`, the tables made of it are `aggregates` and `movement`.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.evaluation.labels import (
    Book,
    Card,
    Scores,
    Segments,
    book_at,
    cards_of,
    cut_points,
    first_order_days,
    population,
    sums,
)
from benchmarks.evaluation.worlds import MAX_LAG, Ints, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

HORIZONS = {1: 1, 7: 9, 30: 7}  # days of a move: number of blocks, as in quality_transitions
KEPT_DAYS = 91
WARM_UP = max(days * blocks for days, blocks in HORIZONS.items())
CAUSES = ("bought", "aged", "recalibrated", "corrected")


class Ledger:
    """Orders and refunds by customer, to work out states of a few customers on any day."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._orders = np.argsort(world.orders.customer, kind="stable")
        self._refunds = np.argsort(world.refunds.customer, kind="stable")
        counts = np.bincount(world.orders.customer, minlength=world.customers)
        self._starts = np.concatenate([[0], np.cumsum(counts)])
        counts = np.bincount(world.refunds.customer, minlength=world.customers)
        self._refund_starts = np.concatenate([[0], np.cumsum(counts)])

    def orders_of(self, customers: Ints) -> tuple[Ints, Ints]:
        """Places of all orders of the customers, and which of the customers each belongs to."""
        return _gather(self._orders, self._starts, customers)

    def refunds_of(self, customers: Ints) -> tuple[Ints, Ints]:
        return _gather(self._refunds, self._refund_starts, customers)


def _gather(order: Ints, starts: Ints, customers: Ints) -> tuple[Ints, Ints]:
    lengths = starts[customers + 1] - starts[customers]
    owners = np.repeat(np.arange(len(customers)), lengths)
    offsets = np.arange(len(owners)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return order[starts[customers][owners] + offsets], owners


class Unarrived:
    """What one night knows of the customers some of whose orders have not arrived yet."""

    def __init__(self, ledger: Ledger, pending: Ints, night: int) -> None:
        orders, refunds = ledger.world.orders, ledger.world.refunds
        self.night = night
        self.customers = np.unique(orders.customer[pending])
        places, owners = ledger.orders_of(self.customers)
        known = orders.arrived[places] <= night
        known &= orders.day[places] <= night
        self._owners, places = owners[known], places[known]
        self._days, self._cents = orders.day[places], orders.cents[places]
        places, self._refund_owners = ledger.refunds_of(self.customers)
        self._refund_days, self._refund_cents = refunds.day[places], refunds.cents[places]
        self.since = int(orders.day[pending].min(initial=night + 1))

    def book(self, day: int) -> Book:
        """State of the affected customers at the end of a day, as this night knows it."""
        number = len(self.customers)
        seen = self._days <= day
        owners, days = self._owners[seen], self._days[seen]
        last = np.full(number, -1)
        np.maximum.at(last, owners, days)
        paid = self._refund_days <= day
        cents = sums(owners, self._cents[seen], number)
        cents -= sums(self._refund_owners[paid], self._refund_cents[paid], number)
        return Book(last, np.bincount(owners, minlength=number), cents)

    def first_days(self) -> Ints:
        """Day of the first known order of the affected customers, beyond the night if none."""
        first = np.full(len(self.customers), self.night + 1)
        np.minimum.at(first, self._owners, self._days)
        return first


class Snapshot:
    """What one night knows: labels of the last days, counts of pairs, and the state of the day."""

    def __init__(self, history: History, night: int) -> None:
        self._history = history
        self.night = night
        self.card = history.card(night)
        self.unarrived = history.unarrived(night)
        self.book = history.book
        self._known: dict[int, NDArray[np.int8]] = {}
        self._labels: dict[int, NDArray[np.int8]] = {}

    @property
    def world(self) -> World:
        return self._history.world

    @property
    def segments(self) -> Segments:
        return self._history.segments

    @property
    def first_day(self) -> int:
        """First day on which anybody has a label."""
        return self._history.first_day

    @property
    def first_known(self) -> int:
        """First day whose sizes are known here."""
        return min(self._history.sizes)

    def features(self) -> dict[str, Ints]:
        """Recency, frequency and money in cents of everybody who has ordered."""
        return population(self.known_book, self.night)

    @cached_property
    def first_order_days(self) -> Ints:
        first = self._history.first_order_days.copy()
        first[self.unarrived.customers] = self.unarrived.first_days()
        return first

    def new_customers(self) -> Ints:
        """First orders of each day up to the night, as this night knows them."""
        history = self._history
        counts = history.begun[: self.night + 1].copy()
        changed = history.first_order_days[self.unarrived.customers]
        np.subtract.at(counts, changed[changed <= self.night], 1)
        known = self.unarrived.first_days()
        np.add.at(counts, known[known <= self.night], 1)
        return counts

    def affected(self, day: int) -> NDArray[np.int8]:
        """Labels of the affected customers on a day, as this night knows them."""
        if day not in self._known:
            if day < self.unarrived.since:
                labels = self._history.labels[day][self.unarrived.customers]
            else:
                book = self.unarrived.book(day)
                labels = Scores.of(self.segments, self._history.card(day), book).label(
                    book.last, day
                )
            self._known[day] = labels
        return self._known[day]

    def labels(self, day: int) -> NDArray[np.int8]:
        """Labels of all customers on a day, as this night knows them."""
        final = self._history.labels[day]
        if day < self.unarrived.since:
            return final
        if day not in self._labels:
            known = final.copy()
            known[self.unarrived.customers] = self.affected(day)
            self._labels[day] = known
        return self._labels[day]

    def sizes(self, day: int) -> Ints:
        """Customers by segment code on a day."""
        return self._corrected(self._history.sizes[day], len(self.segments.names) + 1, (day,))

    def pairs(self, horizon: int, end: int) -> Ints:
        """Customers by segment code at the start (rows) and end of a block."""
        kinds = len(self.segments.names) + 1
        flat = self._corrected(
            self._history.pairs[horizon, end], kinds * kinds, (end - horizon, end)
        )
        return flat.reshape(kinds, kinds)

    def _corrected(self, counts: Ints, kinds: int, days: tuple[int, ...]) -> Ints:
        if days[-1] < self.unarrived.since:
            return counts
        step = len(self.segments.names) + 1
        final, known = 0, 0
        for day in days:
            final = final * step + self._history.labels[day][self.unarrived.customers].astype(int)
            known = known * step + self.affected(day).astype(int)
        return counts - np.bincount(final, minlength=kinds) + np.bincount(known, minlength=kinds)

    @cached_property
    def known_book(self) -> Book:
        """State of all customers at the end of the night's day, as this night knows it."""
        changed = self.unarrived.book(self.night)
        last, orders, cents = self.book.last.copy(), self.book.orders.copy(), self.book.cents.copy()
        last[self.unarrived.customers] = changed.last
        orders[self.unarrived.customers] = changed.orders
        cents[self.unarrived.customers] = changed.cents
        return Book(last, orders, cents)

    def relabelled(self, card: Card) -> NDArray[np.int8]:
        """Labels of the day, scored anew from the state under a card."""
        scores = Scores.of(self.segments, card, self.known_book)
        return scores.label(self.known_book.last, self.night)

    def cards(self) -> list[Card]:
        """The scorecards that the definitions of this night tell of, without altered ones."""
        known = [card for card in self._history.cards if card.calibrated_on <= self.night]
        own = {card.calibrated_on for card in known if card.is_own}
        return [card for card in known if card.is_own or card.calibrated_on not in own]

    def cuts_known(self, card: Card) -> str:
        """Cut points of a card as this night knows them: late orders still change a new card."""
        cuts = [card.recency, card.frequency, card.monetary]
        changed = self.unarrived
        if card.is_own and changed.since <= card.calibrated_on:
            book = book_at(self.world, card.calibrated_on)
            then = changed.book(card.calibrated_on)
            for name in ("last", "orders", "cents"):
                getattr(book, name)[changed.customers] = getattr(then, name)
            cuts = [cut_points(values) for values in population(book, card.calibrated_on).values()]
        return " ".join(str(cut) for values in cuts for cut in values)

    def movers(self, horizon: int) -> Ints:
        """Customers who moved over the newest block, by cause of their last move."""
        start, end = self.labels(self.night - horizon), self.labels(self.night)
        moved = (start != end) & (start > 0) & (end > 0)
        return np.bincount(self._causes(moved), minlength=len(CAUSES))

    def _causes(self, moved: NDArray[np.bool_]) -> NDArray[np.int8]:
        causes = self._history.last_cause.copy()
        affected = self.unarrived.customers
        open_ = np.flatnonzero(moved[affected])
        day = self.night
        while len(open_) > 0:
            changed = self.affected(day)[open_] != self.affected(day - 1)[open_]
            book = self.unarrived.book(day)
            found = open_[changed]
            causes[affected[found]] = self._history.causes(day, book.last[found])
            open_ = open_[~changed]
            day -= 1
        return causes[moved]


class History:
    """Walks through the days of a world and yields what each night knows."""

    def __init__(
        self,
        world: World,
        segments: Segments,
        first: int,
        last: int,
        cards: list[Card] | None = None,
    ) -> None:
        """Prepare a walk.

        Args:
            world: the company.
            segments: the segments and their cells.
            first: first night wanted.
            last: last night wanted.
            cards: scorecards instead of those of the calendar.
        """
        self.world = world
        self.segments = segments
        self.first, self.last = first, last
        self.first_day = int(world.orders.day[0])
        self._begin = max(self.first_day, first - WARM_UP - 1)
        self.cards = cards or cards_of(world, self._begin, last)
        self._starts = [card.valid_from for card in self.cards]
        self._ledger = Ledger(world)
        self._late = np.flatnonzero(world.orders.arrived > world.orders.day)
        self._late_days = world.orders.day[self._late]
        self._late_arrived = world.orders.arrived[self._late]
        self._order_ends = np.searchsorted(world.orders.day, np.arange(last + 2))
        self._refund_ends = np.searchsorted(world.refunds.day, np.arange(last + 2))
        self.first_order_days = first_order_days(world)
        self.begun = np.bincount(self.first_order_days, minlength=last + 2)
        self.labels: dict[int, NDArray[np.int8]] = {}
        self.sizes: dict[int, Ints] = {}
        self.pairs: dict[tuple[int, int], Ints] = {}
        self.last_cause = np.zeros(world.customers, np.int8)
        self.book = book_at(world, self._begin - 1)

    def card(self, day: int) -> Card:
        return self.cards[max(bisect_right(self._starts, day) - 1, 0)]

    def snapshots(self) -> Iterator[Snapshot]:
        """Yield the nights wanted; each is to be used before the next is asked for."""
        scores = Scores.of(self.segments, self.card(self._begin), self.book)
        for day in range(self._begin, self.last + 1):
            touched = self._advance(day)
            if self.card(day) is not scores.card:
                scores = Scores.of(self.segments, self.card(day), self.book)
            scores.fm[touched] = Scores.part(
                scores.card, self.book.orders[touched], self.book.cents[touched]
            )
            self._count(day, scores.label(self.book.last, day))
            if day >= self.first:
                yield Snapshot(self, day)

    def unarrived(self, night: int) -> Unarrived:
        recent = slice(*np.searchsorted(self._late_days, [night - MAX_LAG, night + 1]))
        pending = self._late[recent][self._late_arrived[recent] > night]
        return Unarrived(self._ledger, pending, night)

    def causes(self, day: int, last: Ints) -> Ints:
        """Cause of a change of label on a day, by the day of the customers' last order."""
        card = self.card(day)
        silence = day - last
        aged = np.searchsorted(card.recency, silence * 5) != np.searchsorted(
            card.recency, (silence - 1) * 5
        )
        otherwise = "recalibrated" if card.valid_from == day else "corrected"
        found = np.where(aged, CAUSES.index("aged"), CAUSES.index(otherwise))
        return np.where(last == day, CAUSES.index("bought"), found)

    def _advance(self, day: int) -> Ints:
        """Book the orders and refunds of a day; return the customers touched."""
        orders, refunds, book = self.world.orders, self.world.refunds, self.book
        new = slice(self._order_ends[day], self._order_ends[day + 1])
        buyers = orders.customer[new]
        book.last[buyers] = day
        np.add.at(book.orders, buyers, 1)
        np.add.at(book.cents, buyers, orders.cents[new])
        new = slice(self._refund_ends[day], self._refund_ends[day + 1])
        np.subtract.at(book.cents, refunds.customer[new], refunds.cents[new])
        return np.unique(np.concatenate([buyers, refunds.customer[new]]))

    def _count(self, day: int, labels: NDArray[np.int8]) -> None:
        kinds = len(self.segments.names) + 1
        self.labels[day] = labels
        self.sizes[day] = np.bincount(labels, minlength=kinds)
        for horizon, blocks in HORIZONS.items():
            if day - horizon in self.labels and day > self.first - horizon * blocks:
                pair = self.labels[day - horizon].astype(np.int16) * kinds + labels
                self.pairs[horizon, day] = np.bincount(pair, minlength=kinds * kinds)
        if day - 1 in self.labels and day > self.first - max(HORIZONS):
            moved = np.flatnonzero((self.labels[day - 1] != labels) & (self.labels[day - 1] > 0))
            self.last_cause[moved] = self.causes(day, self.book.last[moved])
        self.labels.pop(day - KEPT_DAYS, None)
