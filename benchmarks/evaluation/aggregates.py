"""The tables of the schema `quality` for one night of a simulated company: the orders.

What the models under `dbt_project/models/quality` say, in arrays: days and flows of orders, drift
of the features, and the bookkeeping of the inputs. The tables about segments are in `movement`.
Simulated inputs have no rejected rows, so what staging does is taken for granted here; its own
tests hold it to that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from benchmarks.evaluation.worlds import CHANNELS, MAX_LAG, Floats, Ints, World

if TYPE_CHECKING:
    from benchmarks.evaluation.history import Snapshot

Row: TypeAlias = dict[str, Any]
Rows: TypeAlias = list[Row]

FLOW = 28
FLOW_YEAR = 364
SERIES_DAYS = 800
CHANNEL_DAYS = 365
CHANNEL_SHARE = 0.01
LATE_AFTER = 3
BINS = 10


@dataclass
class Deliveries:
    """What one night has seen of the orders, and how rows of the past are kept between nights."""

    world: World
    night: int
    kept: dict[str, Any] = field(default_factory=dict)

    def window(self, first: int, last: int) -> Ints:
        """Places of the orders of some days that have arrived."""
        days = self.world.orders.day
        places = np.arange(*np.searchsorted(days, [first, last + 1]))
        if last > self.night - MAX_LAG:
            places = places[self.world.orders.arrived[places] <= self.night]
        return places

    @cached_property
    def rows(self) -> int:
        """Number of orders that have arrived."""
        return int(self.counts(0, self.night).sum())

    def counts(self, first: int, last: int) -> Ints:
        """Orders of some days that have arrived, shape (channels, days)."""
        by_lag = self.kept.get("by_lag")
        if by_lag is None:
            by_lag = self.kept["by_lag"] = _by_lag(self.world)
        settled = min(max(first, self.night - MAX_LAG), last + 1)
        days = range(settled, last + 1)
        recent = [by_lag[:, day, : self.night - day + 1].sum(axis=1) for day in days]
        done = by_lag[:, first:settled].sum(axis=2)
        return np.column_stack([done, *recent])

    @cached_property
    def reference(self) -> tuple[int, int]:
        """First and last day that flows are compared with: a year ago, else four weeks."""
        begin, end = self.night - FLOW_YEAR - FLOW + 1, self.night - FLOW_YEAR
        if begin >= self.first_day and len(self.window(begin, end)):
            return begin, end
        return self.night - 2 * FLOW + 1, self.night - FLOW

    @cached_property
    def first_day(self) -> int:
        return int(self.world.orders.day[0])

    @cached_property
    def current(self) -> Ints:
        return self.window(self.night - FLOW + 1, self.night)

    @cached_property
    def earlier(self) -> Ints:
        return self.window(*self.reference)


def source_arrivals(seen: Deliveries) -> Rows:
    orders = seen.world.orders
    newest = None
    for day in range(seen.night, -1, -1):
        places = seen.window(day, day)
        if len(places):
            second = int(orders.second[places].max())
            newest = datetime.combine(seen.world.date_of(day), time()) + timedelta(seconds=second)
            break
    return [{"source": "orders", "row_count": seen.rows, "newest_at": newest}]


def intake(seen: Deliveries) -> Rows:
    """Rows delivered so far; a second copy of a row is set aside by its key."""
    copies = seen.kept.get("copies", {}).get(seen.night, {})
    counts = {"duplicate_rows": 0, "conflicting_rows": 0, "null_key_rows": 0} | copies
    conflicting = counts["conflicting_rows"]
    return [
        {
            "source": "orders",
            "file": None,
            "received_rows": seen.rows + counts["duplicate_rows"] + conflicting // 2,
            "accepted_rows": seen.rows - conflicting // 2,
            **counts,
            "superseded_rows": 0,
            "excluded_rows": 0,
            "rejected_rows": conflicting,
            "held_rows": 0,
        }
    ]


def conservation(seen: Deliveries) -> Rows:
    taken = intake(seen)[0]
    right = taken["accepted_rows"] + taken["duplicate_rows"] + taken["rejected_rows"]
    return [{"identity": "orders_rows", "left_value": taken["received_rows"], "right_value": right}]


def late_arrivals(seen: Deliveries) -> Rows:
    orders = seen.world.orders
    recent = np.arange(*np.searchsorted(orders.day, [seen.night - MAX_LAG, seen.night + 1]))
    new = recent[orders.arrived[recent] == seen.night]
    late = int((orders.day[new] < seen.night - LATE_AFTER).sum())
    return [{"arrived_orders": len(new), "late_orders": late}]


def nulls(seen: Deliveries) -> Rows:
    return [
        {
            "column_name": name,
            "reference_rows": len(seen.earlier),
            "reference_nulls": 0,
            "current_rows": len(seen.current),
            "current_nulls": 0,
        }
        for name in ("channel", "items")
    ]


def _by_lag(world: World) -> Ints:
    """Orders by channel, day and days until they arrive."""
    orders = world.orders
    shape = len(CHANNELS), int(orders.day[-1]) + MAX_LAG, MAX_LAG + 1
    place = (orders.channel * shape[1] + orders.day) * shape[2] + orders.arrived - orders.day
    return np.bincount(place, minlength=shape[0] * shape[1] * shape[2]).reshape(shape)


def daily_series(seen: Deliveries, snapshot: Snapshot | None) -> Rows:
    """Rows of days that can no longer change are kept from night to night."""
    start = max(seen.first_day, seen.night - SERIES_DAYS)
    by_channel = seen.counts(0, seen.night)
    values = {("orders", "all"): by_channel.sum(axis=0)}
    shares = by_channel[:, -CHANNEL_DAYS:].sum(axis=1)
    for place, name in enumerate(CHANNELS):
        if shares[place] >= CHANNEL_SHARE * shares.sum():
            values["channel_orders", name] = by_channel[place]
    if snapshot is not None:
        values["new_customers", "all"] = snapshot.new_customers()
    rows: Rows = []
    for key, counts in values.items():
        kept: Rows = seen.kept.setdefault(" ".join(key), [])
        settled = max(seen.night - MAX_LAG, 0)
        kept += _series(seen, key, counts[len(kept) : settled], len(kept))
        rows += kept[start:settled]
        first = max(start, settled)
        rows += _series(seen, key, counts[first:], first)
    return rows


def _series(seen: Deliveries, key: tuple[str, str], values: Ints, first: int) -> Rows:
    return [
        {
            "series": key[0],
            "subject": key[1],
            "date_day": seen.world.date_of(first + place),
            "value": int(value),
        }
        for place, value in enumerate(values)
    ]


def calendar_days(world: World) -> Rows:
    kinds = {"promotion": world.demand.promotions, "closed": world.demand.closed}
    return [
        {"date_day": world.date_of(day), "kind": kind, "name": kind}
        for kind, days in kinds.items()
        for day in days
    ]


def drift_bins(seen: Deliveries, snapshot: Snapshot) -> Rows:
    orders = seen.world.orders
    flows = {"order_value": orders.cents, "items": orders.items}
    rows: Rows = []
    for feature, values in flows.items():
        edges = deciles(values[seen.earlier])
        before = binned(values[seen.earlier], edges)
        rows += _bin_rows(feature, "flow", edges, before, binned(values[seen.current], edges))
    rows += category_bins(orders.channel[seen.earlier], orders.channel[seen.current])
    kept = seen.kept.setdefault("bins", {})
    for feature, values in snapshot.features().items():
        key = feature, snapshot.card.calibrated_on
        if key not in kept:
            then = snapshot.card.population[feature]
            edges = deciles(then)
            kept[key] = edges, binned(then, edges)
        edges, before = kept[key]
        rows += _bin_rows(feature, "scorecard", edges, before, binned(values, edges))
    return rows


def deciles(reference: Ints) -> Ints:
    """Values that close a tenth of the reference, each once."""
    if not len(reference):
        return np.empty(0, np.int64)
    at = np.ceil(np.arange(1, BINS) * len(reference) / BINS).astype(int) - 1
    return np.unique(np.partition(reference, at)[at])


def binned(values: Ints, edges: Ints) -> Ints:
    """Count values in bins that end at the edges; the last one is open."""
    up_to = [np.count_nonzero(values <= edge) for edge in edges]
    return np.diff(np.array([0, *up_to, len(values)]))


def _bin_rows(feature: str, comparison: str, edges: Ints, before: Ints, now: Ints) -> Rows:
    if not len(edges):
        return []
    labels = [*(str(edge) for edge in edges), f"over {edges[-1]}"]
    return [
        {
            "feature": feature,
            "comparison": comparison,
            "bin": place + 1,
            "bin_label": label,
            "reference_count": int(before[place]),
            "current_count": int(now[place]),
        }
        for place, label in enumerate(labels)
    ]


def category_bins(reference: Ints, current: Ints) -> Rows:
    if not len(reference):
        return []
    sides = [np.bincount(values, minlength=len(CHANNELS)) for values in (reference, current)]
    return [
        {
            "feature": "channel",
            "comparison": "flow",
            "bin": place + 1,
            "bin_label": name,
            "reference_count": int(sides[0][place]),
            "current_count": int(sides[1][place]),
        }
        for place, name in enumerate(CHANNELS)
        if sides[0][place] + sides[1][place]
    ]


def drift_locations(seen: Deliveries, snapshot: Snapshot) -> Rows:
    cents = seen.world.orders.cents
    day = seen.window(seen.night, seen.night)
    before = seen.window(seen.night - FLOW, seen.night - 1)
    rows = [
        location("order_value", "flow", cents[seen.earlier] / 100, cents[seen.current] / 100),
        location("order_value", "day", cents[before] / 100, cents[day] / 100),
    ]
    kept = seen.kept.setdefault("locations", {})
    for feature, values in snapshot.features().items():
        unit = 100 if feature == "monetary" else 1
        key = feature, snapshot.card.calibrated_on
        if key not in kept:
            kept[key] = _side("reference", snapshot.card.population[feature] / unit, with_mad=True)
        names = {"feature": feature, "comparison": "scorecard"}
        rows.append(names | kept[key] | _side("current", values / unit, with_mad=False))
    return [row for row in rows if row["reference_count"] + row["current_count"]]


def location(feature: str, comparison: str, reference: Floats, current: Floats) -> Row:
    return {
        "feature": feature,
        "comparison": comparison,
        **_side("reference", reference, with_mad=True),
        **_side("current", current, with_mad=False),
    }


def _side(side: str, values: Floats, *, with_mad: bool) -> Row:
    names = ("median", "mean", "stddev", *(("mad",) if with_mad else ()))
    row: Row = {f"{side}_count": len(values)} | {f"{side}_{name}": None for name in names}
    if len(values):
        middle = median(values)
        row[f"{side}_median"] = middle
        row[f"{side}_mean"] = float(values.mean())
        row[f"{side}_stddev"] = float(values.std())
        if with_mad:
            row[f"{side}_mad"] = median(np.abs(values - middle))
    return row


def median(values: Floats) -> float:
    lower, upper = (len(values) - 1) // 2, len(values) // 2
    ordered = np.partition(values, (lower, upper))
    return float((ordered[lower] + ordered[upper]) / 2)
