"""The tables of the schema `quality` for one night of a simulated company: the segments.

Moves between segments, their stability, and what the customers of a segment did afterwards, as the
models under `dbt_project/models/quality` say it. The tables about orders are in `aggregates`.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.evaluation.history import CAUSES, HORIZONS, Snapshot
from benchmarks.evaluation.labels import PRESET, RULES_DIR
from orchestration.rules import read_rules

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.evaluation.aggregates import Deliveries, Row, Rows
    from benchmarks.evaluation.worlds import Floats, Ints

METRIC_DAYS = 70
FLAPPING_DAYS = 14
RESPONSE_DAYS = 28
FUTURE_DAYS = 90
COHORT_WEEKS = 9
RULES_SINCE = date(2000, 1, 1)


def transitions(snapshot: Snapshot) -> Rows:
    names = snapshot.segments.names
    rows: Rows = []
    for horizon, blocks in HORIZONS.items():
        for block in range(blocks):
            end = snapshot.night - block * horizon
            if end - horizon < snapshot.first_day:
                break
            counts = snapshot.pairs(horizon, end)[1:, 1:]
            rows += [
                {
                    "horizon_days": horizon,
                    "block": block,
                    "block_start": snapshot.world.date_of(end - horizon),
                    "block_end": snapshot.world.date_of(end),
                    "from_segment": names[i],
                    "to_segment": names[j],
                    "customers": int(counts[i, j]),
                }
                for i, j in zip(*np.nonzero(counts), strict=True)
            ]
    return rows


def moves_by_cause(snapshot: Snapshot) -> Rows:
    rows: Rows = []
    for horizon in HORIZONS:
        if snapshot.night - horizon < snapshot.first_day:
            continue
        start = int(snapshot.sizes(snapshot.night - horizon)[1:].sum())
        movers = snapshot.movers(horizon)
        rows += [
            {
                "horizon_days": horizon,
                "cause": cause,
                "customers": int(movers[place]),
                "customers_at_start": start,
            }
            for place, cause in enumerate(CAUSES)
        ]
    return rows


def cohorts(snapshot: Snapshot) -> Rows:
    first = snapshot.first_order_days
    rows: Rows = []
    for block in range(COHORT_WEEKS):
        end = snapshot.night - 7 * block
        if end < snapshot.first_day:
            break
        joined = np.flatnonzero((first > end - 7) & (first <= end))
        counts = np.bincount(snapshot.labels(end)[joined], minlength=_kinds(snapshot))
        rows += [
            {"block": block, "segment": name, "customers": int(counts[code])}
            for code, name in _named(snapshot)
            if counts[code]
        ]
    return rows


def unmapped(snapshot: Snapshot) -> Rows:
    known = snapshot.known_book.last >= 0
    without = int((known & (snapshot.labels(snapshot.night) == 0)).sum())
    return [
        {
            "customers": int(known.sum()),
            "without_segment": without,
            "unknown_segment": 0,
            "without_stage": 0,
        }
    ]


def recompute(seen: Deliveries, snapshot: Snapshot) -> Rows:
    """Nobody differs unless a fault says so: both sides would be scored by the same lines here."""
    codes = np.arange(_kinds(snapshot))
    return [
        {
            "compared": int((snapshot.known_book.last >= 0).sum()),
            "differing": seen.kept.get("differing", {}).get(seen.night, 0),
            "labels_fingerprint": int((codes * snapshot.sizes(snapshot.night)).sum()),
        }
    ]


def flapping(snapshot: Snapshot) -> Rows:
    now = snapshot.labels(snapshot.night)
    has_left = np.zeros(len(now), bool)
    came_back = np.zeros(len(now), bool)
    for day in range(snapshot.night - 1, snapshot.night - FLAPPING_DAYS - 1, -1):
        if day < snapshot.first_day:
            break
        same = snapshot.labels(day) == now
        came_back |= has_left & same
        has_left |= ~same
    sizes = snapshot.sizes(snapshot.night)
    counts = np.bincount(now[came_back], minlength=_kinds(snapshot))
    return [
        {"segment": name, "customers": int(sizes[code]), "flapping": int(counts[code])}
        for code, name in _named(snapshot)
    ]


def segment_moments(snapshot: Snapshot) -> Rows:
    labels, book = snapshot.labels(snapshot.night), snapshot.known_book
    sizes = snapshot.sizes(snapshot.night)
    features = {
        "log_monetary": np.log1p(np.maximum(book.cents, 0) / 100),
        "frequency": book.orders,
        "recency": snapshot.night - book.last,
    }
    rows: Rows = []
    for feature, values in features.items():
        means, variances = _moments(labels, values, sizes)
        rows += [
            {
                "segment": name,
                "feature": feature,
                "customers": int(sizes[code]),
                "mean": float(means[code]),
                "variance": float(variances[code]),
            }
            for code, name in _named(snapshot)
            if sizes[code]
        ]
    return rows


def _moments(labels: NDArray[np.int8], values: Ints | Floats, sizes: Ints) -> tuple[Floats, Floats]:
    """Mean and population variance of each segment, about the mean of all to stay exact."""
    count = np.maximum(sizes, 1)
    middle = values.mean()
    centred = values - middle
    places = labels.astype(np.intp)
    means = np.bincount(places, weights=centred, minlength=len(sizes)) / count
    squares = np.bincount(places, weights=centred * centred, minlength=len(sizes)) / count
    return means + middle, np.maximum(squares - means**2, 0)


def _since(seen: Deliveries, days: int) -> tuple[Ints, Ints]:
    """Orders and net cents of every customer over the last days, refunds on their own day."""
    world, number = seen.world, seen.world.customers
    places = seen.window(seen.night - days + 1, seen.night)
    buyers = world.orders.customer[places]
    refunds = slice(*np.searchsorted(world.refunds.day, [seen.night - days + 1, seen.night + 1]))
    cents = np.bincount(buyers, weights=world.orders.cents[places], minlength=number)
    cents -= np.bincount(
        world.refunds.customer[refunds], weights=world.refunds.cents[refunds], minlength=number
    )
    return np.bincount(buyers, minlength=number), cents.astype(np.int64)


def responses(seen: Deliveries, snapshot: Snapshot) -> Rows:
    """What the customers of four weeks ago have done since."""
    start = seen.night - RESPONSE_DAYS
    if start < snapshot.first_day:
        return []
    labels, sizes, kinds = snapshot.labels(start), snapshot.sizes(start), _kinds(snapshot)
    orders, cents = _since(seen, RESPONSE_DAYS)
    again = np.bincount(labels[orders > 0], minlength=kinds)
    ordered = np.bincount(labels, weights=orders, minlength=kinds)
    revenue = np.bincount(labels, weights=cents, minlength=kinds)
    return [
        {
            "segment": name,
            "customers": int(sizes[code]),
            "bought_again": int(again[code]),
            "orders": int(ordered[code]),
            "revenue": float(revenue[code]) / 100,
        }
        for code, name in _named(snapshot)
        if sizes[code]
    ]


def response_bins(seen: Deliveries, snapshot: Snapshot) -> Rows:
    """Customers of four weeks ago by revenue since: none, less than one, by powers of two."""
    start = seen.night - RESPONSE_DAYS
    if start < snapshot.first_day:
        return []
    labels, kinds = snapshot.labels(start), _kinds(snapshot)
    _, cents = _since(seen, RESPONSE_DAYS)
    whole = np.maximum(cents, 0) // 100
    powers = np.frexp(whole.astype(float))[1] + 1
    bins = np.where(cents <= 0, 0, np.where(whole < 1, 1, powers))
    pairs = np.bincount(labels.astype(int) * 64 + bins, minlength=kinds * 64).reshape(kinds, 64)
    return [
        {"segment": name, "bin": int(place), "customers": int(pairs[code, place])}
        for code, name in _named(snapshot)
        for place in np.flatnonzero(pairs[code])
    ]


def futures(seen: Deliveries, snapshot: Snapshot) -> Rows:
    start = seen.night - FUTURE_DAYS
    if start < snapshot.first_day:
        return []
    labels, sizes = snapshot.labels(start), snapshot.sizes(start)
    _, cents = _since(seen, FUTURE_DAYS)
    means, variances = _moments(labels, cents / 100, sizes)
    return [
        {
            "segment": name,
            "rank": snapshot.segments.ranks[code - 1],
            "customers": int(sizes[code]),
            "revenue": float(means[code] * sizes[code]),
            "mean_revenue": float(means[code]),
            "stddev_revenue": float(variances[code]) ** 0.5,
        }
        for code, name in _named(snapshot)
        if sizes[code]
    ]


def segment_daily_metrics(snapshot: Snapshot) -> Rows:
    rows: Rows = []
    first = max(snapshot.first_day, snapshot.night - METRIC_DAYS + 1)
    for day in range(first, snapshot.night + 1):
        date_day = snapshot.world.date_of(day)
        sizes = snapshot.sizes(day).tolist()
        everybody = sum(sizes[1:])
        rows += [
            {
                "date_day": date_day,
                "segment": name,
                "customers": sizes[code],
                "customer_share": sizes[code] / everybody if everybody else None,
            }
            for code, name in enumerate(snapshot.segments.names, start=1)
        ]
    return rows


def definitions(snapshot: Snapshot) -> Rows:
    """The shipped segments, as if they had been read again every quarter of a year."""
    reviewed = snapshot.world.date_of(snapshot.night - snapshot.night % 90)
    return [row | {"reviewed_on": reviewed} for row in _segment_rows(snapshot.segments.names)]


@cache
def _segment_rows(names: tuple[str, ...]) -> tuple[Row, ...]:
    columns = ("label", "action", "channel", "objective", "objective_metric", "objective_target")
    book = {row.segment: row for row in read_rules(RULES_DIR).segments if row.preset == PRESET}
    return tuple(
        {"segment": name} | {column: getattr(book[name], column) for column in columns}
        for name in names
    )


def published_as_of(snapshot: Snapshot) -> Rows:
    """As if every night had been published so far."""
    today = snapshot.world.date_of(snapshot.night)
    return [{"as_of_date": today, "published_as_of": snapshot.world.date_of(snapshot.night - 1)}]


def definition_log(seen: Deliveries, snapshot: Snapshot) -> Rows:
    rows: Rows = [
        {
            "definition_type": "scorecard",
            "definition_id": f"calibrated-{snapshot.world.date_of(card.calibrated_on)}",
            "content_hash": snapshot.cuts_known(card),
            "first_used_on": snapshot.world.date_of(max(card.valid_from, snapshot.first_day)),
        }
        for card in snapshot.cards()
    ]
    rows += [
        {
            "definition_type": kind,
            "definition_id": f"{kind}@{RULES_SINCE}",
            "content_hash": kind,
            "first_used_on": RULES_SINCE,
        }
        for kind in ("segment_rules", "lifecycle_stages")
    ]
    seen.kept.setdefault("definitions", {})[seen.night] = rows
    return rows


def published_definitions(seen: Deliveries, snapshot: Snapshot) -> Rows:
    """The definitions as the night before knew them."""
    known = seen.kept.get("definitions", {})
    return known.get(seen.night - 1) or known.get(seen.night) or definition_log(seen, snapshot)


def forbidden_moves() -> Rows:
    """No simulated order leads to one."""
    return [{"rule": "segment none > *", "moves": 0}]


def _kinds(snapshot: Snapshot) -> int:
    return len(snapshot.segments.names) + 1


def _named(snapshot: Snapshot) -> list[tuple[int, str]]:
    return list(enumerate(snapshot.segments.names, start=1))
