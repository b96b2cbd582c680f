"""Did the values drift: recency, frequency, money, what is ordered, empty columns, categories.

Distances are in `orchestration.measures.distances`; shares of segments are judged in
`orchestration.measures.judges.shares`.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from orchestration.measures.checks import Limits, Measurement, finite, written
from orchestration.measures.control import MAD_TO_SIGMA
from orchestration.measures.distances import psi, psi_limit, psi_p_value, psi_without_drift
from orchestration.measures.judges.reading import grouped, insufficient, number, total, whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestration.measures.checks import Definition
    from orchestration.measures.night import Night

# Standard error of a median in units of that of a mean, for a normal distribution: sqrt(pi / 2).
MEDIAN_NOISE = math.sqrt(math.pi / 2)
CATEGORY = "channel"
ORDER_VALUE = "order_value"
WHOLE = ("recency", "frequency")
FEATURES = {
    "recency": "the time since the last order",
    "frequency": "the number of orders",
    "monetary": "the money of a customer",
    "order_value": "the value of an order",
    "items": "the items of an order",
    "channel": "the channel of an order",
}
COMPARED_WITH = {
    "scorecard": "the day of the cut points",
    "flow": "the same days before",
    "day": "the 28 days before",
}


def feature_psi(night: Night, definition: Definition) -> list[Measurement]:
    """C10: drift of the customers' recency, frequency and money since the scorecard."""
    return _drift(night, definition, "scorecard")


def flow_drift(night: Night, definition: Definition) -> list[Measurement]:
    """C11: drift of the orders of the last 28 days."""
    return _drift(night, definition, "flow")


def _drift(night: Night, definition: Definition, comparison: str) -> list[Measurement]:
    rows = sorted(
        (row for row in night.rows("drift_bins") if row["comparison"] == comparison),
        key=lambda row: int(row["bin"]),
    )
    found = [
        _feature_drift(feature, bins, definition, comparison)
        for (feature,), bins in grouped(rows, "feature").items()
    ]
    return found or [insufficient("all", f"there is nothing to compare {comparison} with yet")]


def _feature_drift(
    feature: str, bins: Sequence[Mapping[str, Any]], definition: Definition, comparison: str
) -> Measurement:
    before, now = total(bins, "reference_count"), total(bins, "current_count")
    counts: dict[str, Any] = {"reference_count": whole(before), "current_count": whole(now)}
    if before is None or now is None:
        return Measurement(feature, None, says=f"{feature} was not counted", **counts)
    k = len(bins)
    if not definition.enough(before, now) or k < 2:
        return insufficient(
            feature,
            f"{_named(feature)} has {k} bins with {written(before, 'count')} values before and "
            f"{written(now, 'count')} now, too few to compare",
            **counts,
        )
    reference = [float(row["reference_count"]) for row in bins]
    current = [float(row["current_count"]) for row in bins]
    index = psi(reference, current)
    limit = psi_limit(k, before, now, definition.parameters["alpha"])
    noise = psi_without_drift(k, before, now)
    moves = [
        (here / now - there / before, str(row["bin_label"]))
        for row, there, here in zip(bins, reference, current, strict=True)
    ]
    grown = max(moves)
    return Measurement(
        feature,
        index,
        effect=grown[0],
        expected=noise,
        p_value=psi_p_value(index, k, before, now),
        limits=_at_least(definition, limit),
        says=f"{_named(feature)} differs from {COMPARED_WITH[comparison]} by an index of "
        f"{written(index)}, of which {written(noise)} is noise",
        details={
            "bins": k,
            "grown_most": grown[1],
            "grown_by": round(grown[0], 6),
            "limit_by_chance": limit,
        },
        **counts,
    )


def _named(feature: str) -> str:
    return FEATURES.get(feature, feature)


def _at_least(definition: Definition, floor: float) -> Limits:
    """Raise the limits of a check to what chance alone can give."""
    return Limits(
        None if definition.warn is None else max(definition.warn, floor),
        None if definition.error is None else max(definition.error, floor),
    )


def mean_shift(night: Night, definition: Definition) -> list[Measurement]:
    """C12: shift of the median in robust standard deviations, and ratio of the means."""
    found = []
    for (feature, comparison), rows in grouped(
        night.rows("drift_locations"), "feature", "comparison"
    ).items():
        row = {key: value for key, value in rows[0].items() if isinstance(key, str)}
        subject = f"{feature}, {comparison}"
        before = number(row, "reference_count") or 0.0
        now = number(row, "current_count") or 0.0
        counts: dict[str, Any] = {"reference_count": int(before), "current_count": int(now)}
        if not definition.enough(before, now):
            says = (
                f"{_named(feature)} has {before:,.0f} values before and {now:,.0f} now, too few "
                "to compare"
            )
            found.append(insufficient(f"{subject}: median", says, **counts))
            found.append(insufficient(f"{subject}: mean", says, **counts))
            continue
        error = math.sqrt(1 / before + 1 / now)
        found.append(_median_shift(subject, row, definition, error, counts))
        found.append(_mean_ratio(subject, row, definition, error, counts))
    return found or [insufficient("all", "there is nothing to compare with yet")]


def _median_shift(
    subject: str,
    row: Mapping[str, Any],
    definition: Definition,
    error: float,
    counts: Mapping[str, Any],
) -> Measurement:
    feature, comparison = row["feature"], row["comparison"]
    before, now = number(row, "reference_median"), number(row, "current_median")
    mad, deviation = number(row, "reference_mad"), number(row, "reference_stddev")
    name = f"{subject}: median"
    if before is None or now is None or mad is None:
        return Measurement(name, None, says=f"{_named(feature)} has no median", **counts)
    # Where more than half of the values are equal, the MAD is 0 and says nothing.
    scale = MAD_TO_SIGMA * mad or deviation or 0.0
    says = (
        f"{_named(feature)} is typically {written(now)}, against {written(before)} on "
        f"{COMPARED_WITH[comparison]}"
    )
    if scale == 0 and now != before:
        return Measurement(
            name,
            None,
            decided="error",
            says=f"{says}, although all values were equal until now",
            **counts,
        )
    # The median of whole numbers steps by one when a single customer more is on the other side.
    distance = abs(now - before)
    if feature in WHOLE:
        distance -= min(1.0, distance)
    shift = distance / scale if scale else 0.0
    noise = definition.parameters["noise"] * error * MEDIAN_NOISE
    if now > before > 0 and feature == ORDER_VALUE:
        # Amounts are skewed, so their median strays further up than down: as far as on a log scale.
        noise = math.expm1(noise * scale / before) * before / scale
    return Measurement(
        name,
        shift,
        effect=now - before,
        expected=error * MEDIAN_NOISE,
        limits=_at_least(definition, noise),
        says=f"{says}, a shift of {written(shift)} usual deviations",
        **counts,
    )


def _mean_ratio(
    subject: str,
    row: Mapping[str, Any],
    definition: Definition,
    error: float,
    counts: Mapping[str, Any],
) -> Measurement:
    feature, comparison = row["feature"], row["comparison"]
    before, now = finite(number(row, "reference_mean")), finite(number(row, "current_mean"))
    deviation = number(row, "reference_stddev") or 0.0
    name = f"{subject}: mean"
    if before is None or now is None or before <= 0 or now <= 0:
        return insufficient(name, f"the means of {_named(feature)} have no ratio", **counts)
    ratio = now / before
    # The coefficient of variation of the reference: a wrong day must not widen its own limit.
    noise = math.exp(definition.parameters["noise"] * error * deviation / before)
    return Measurement(
        name,
        max(ratio, 1 / ratio),
        effect=ratio,
        expected=1.0,
        limits=Limits(
            max(definition.parameters["ratio_warn"], noise),
            max(definition.parameters["ratio_error"], noise),
        ),
        says=f"{_named(feature)} is {written(now)} on average, against {written(before)} on "
        f"{COMPARED_WITH[comparison]}, a ratio of {written(max(ratio, 1 / ratio))}",
        **counts,
    )


def null_share(night: Night, definition: Definition) -> list[Measurement]:
    """C13: columns that became empty, or filled up."""
    found = []
    for row in sorted(night.rows("nulls"), key=lambda row: row["column_name"]):
        column = row["column_name"]
        before, now = number(row, "reference_rows"), number(row, "current_rows")
        empty_before, empty_now = number(row, "reference_nulls"), number(row, "current_nulls")
        counts: dict[str, Any] = {"reference_count": whole(before), "current_count": whole(now)}
        if before is None or now is None or empty_before is None or empty_now is None:
            found.append(Measurement(column, None, says=f"{column} was not counted", **counts))
            continue
        if not definition.enough(before, now):
            says = f"{column} has too few orders to compare how often it is empty"
            found.append(insufficient(column, says, **counts))
            continue
        share, past = empty_now / now, empty_before / before
        pooled = (empty_now + empty_before) / (now + before)
        error = math.sqrt(pooled * (1 - pooled) * (1 / now + 1 / before))
        limits = _at_least(definition, definition.parameters["noise"] * error)
        found.append(
            Measurement(
                column,
                abs(share - past),
                effect=share - past,
                expected=error,
                unit="points",
                limits=limits if share > past else Limits(limits.warn, None),
                says=f"{column} is empty in {written(share, 'share')} of the orders, against "
                f"{written(past, 'share')} before",
                **counts,
            )
        )
    return found or [insufficient("all", "the orders have no optional column")]


def new_category(night: Night, definition: Definition) -> list[Measurement]:
    """C14: channels that appear or vanish, and segments that are suddenly empty."""
    return [*_channels(night, definition), *_vanished_segments(night, definition)]


def _channels(night: Night, definition: Definition) -> list[Measurement]:
    rows = sorted(
        (row for row in night.rows("drift_bins") if row["feature"] == CATEGORY),
        key=lambda row: int(row["bin"]),
    )
    before, now = total(rows, "reference_count"), total(rows, "current_count")
    counts: dict[str, Any] = {"reference_count": whole(before), "current_count": whole(now)}
    if before is None or now is None or not rows or not definition.enough(before, now):
        return [insufficient("channels", "too few orders with a channel to compare", **counts)]
    fewest = definition.parameters["fewest"]
    vanished_share = definition.parameters["vanished_share"]
    found = []
    for row in rows:
        there, here = float(row["reference_count"]), float(row["current_count"])
        label = row["bin_label"]
        if there == 0 and here >= fewest and here / now >= (definition.warn or 0):
            says = f"the channel {label} is new and has {written(here / now, 'share')} of orders"
            found.append((f"channel {label}", here / now, says))
        gone = there / before
        if here == 0 and gone * min(before, now) >= fewest and gone >= vanished_share:
            says = f"the channel {label} is gone, it had {written(gone, 'share')} of the orders"
            found.append((f"channel {label}", gone, says))
    limits = Limits(definition.warn, None)
    return [
        Measurement(
            subject, share, unit="share", decided="warn", limits=limits, says=says, **counts
        )
        for subject, share, says in found
    ] or [
        Measurement(
            "channels",
            0.0,
            unit="share",
            limits=limits,
            says=f"no channel of weight is new or gone among {len(rows)}",
            **counts,
        )
    ]


def _vanished_segments(night: Night, definition: Definition) -> list[Measurement]:
    day = night.as_of_date
    before, now = night.sizes.get(day - timedelta(days=7), {}), night.sizes.get(day, {})
    everybody = sum(before.values())
    if not everybody or not now:
        return [insufficient("segments", "there are no segments of a week ago to compare with")]
    gone = {
        segment: count / everybody
        for segment, count in before.items()
        if count >= definition.parameters["fewest"]
        and count / everybody >= definition.parameters["vanished_share"]
        and not now.get(segment)
    }
    limits = Limits(None, definition.error)
    return [
        Measurement(
            f"segment {segment}",
            share,
            unit="share",
            limits=limits,
            decided="error",
            reference_count=everybody,
            says=f"the segment {night.label(segment)} is empty, a week ago it held "
            f"{written(share, 'share')} of all customers",
        )
        for segment, share in sorted(gone.items())
    ] or [
        Measurement(
            "segments",
            0.0,
            unit="share",
            limits=limits,
            reference_count=everybody,
            current_count=sum(now.values()),
            says="no segment emptied within a week",
        )
    ]
