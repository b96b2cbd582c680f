"""What goes wrong: each fault turns a healthy company into its twin that differs in that alone.

A fault changes only what is delivered from its first day on. Whatever is drawn at random comes from
the generator that is passed in, so a company's twin is the same on every run.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.evaluation.worlds import MAX_LAG, SECONDS, World

if TYPE_CHECKING:
    from benchmarks.evaluation.labels import Card


def silent(world: World, first: int, days: int) -> World:
    """Nothing arrives for some days; what was placed in them is lost."""
    orders = world.orders
    lost = (orders.arrived >= first) & (orders.arrived < first + days)
    return world.with_orders(orders.take(~lost))


def double_load(world: World, day: int, *, changed: bool = False) -> dict[int, dict[str, int]]:
    """A day's delivery comes twice: rows that staging sets aside, by night.

    An equal copy is a duplicate; when the contents differ, both rows are rejected as conflicting.
    """
    rows = int((world.orders.arrived == day).sum())
    kind, number = ("conflicting_rows", 2 * rows) if changed else ("duplicate_rows", rows)
    return {day: {kind: number}}


def wrong_unit(world: World, first: int, share: float, rng: np.random.Generator) -> World:
    """Amounts of a share of the orders come in cents and are read as whole units."""
    orders = world.orders
    wrong = (orders.arrived >= first) & (rng.random(len(orders)) < share)
    return world.with_orders(
        replace(orders, cents=np.where(wrong, orders.cents * 100, orders.cents))
    )


def shifted(world: World, first: int, hours: int) -> World:
    """Times of what is delivered from the first day on are off by some hours."""
    orders = world.orders
    moved = orders.arrived >= first
    moments = orders.day * SECONDS + orders.second + np.where(moved, hours * 3600, 0)
    day = np.maximum(moments // SECONDS, 0)
    # What is dated ahead of its night is first seen on the night of that day.
    arrived = np.clip(orders.arrived, day, day + MAX_LAG)
    changed = replace(orders, day=day, second=moments % SECONDS, arrived=arrived)
    return world.with_orders(changed.take(day < world.traits.days))


def moved_cuts(cards: list[Card], first: int, percent: int) -> list[Card]:
    """From a day on customers are scored by other cut points, which no definition tells of."""
    before = [card for card in cards if card.valid_from < first]
    after = [card for card in cards if card.valid_from > first]
    return [
        *before,
        before[-1].scaled(percent, first),
        *(card.scaled(percent, card.valid_from) for card in after),
    ]


def lifted(card: Card) -> Card:
    """Read a value that equals a cut point as above it. Cut points are counted in fifths."""
    return replace(
        card,
        recency=card.recency - 1,
        frequency=card.frequency - 1,
        monetary=card.monetary - 1,
        is_own=False,
    )
