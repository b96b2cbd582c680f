"""Are there as many orders as the weekday lets expect, and do small losses add up.

The comparison is in `orchestration.measures.control`, the calendar in
`orchestration.measures.daily_series`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from orchestration.measures.checks import Limits, Measurement, written
from orchestration.measures.control import (
    HALF,
    WINSOR,
    Deviations,
    autocorrelation,
    calibrated_limit,
    cusum,
    lagged,
    log_deviations,
    whitened,
)
from orchestration.measures.daily_series import WEEK
from orchestration.measures.judges.reading import insufficient, more_or_less

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from orchestration.measures.checks import Definition
    from orchestration.measures.daily_series import DailySeries
    from orchestration.measures.night import Night

# Same weekdays that a day is compared with.
WEEKS = 8
BLOCKING = ("orders", "all")
NAMES = {"orders": "orders", "new_customers": "new customers"}
# Series whose small deviations are summed: those of whole shops. A channel may fade.
SUMMED = (("new_customers", "all"), ("orders", "all"))
YEAR_DAYS = 365.0


def volume_weekday(night: Night, definition: Definition) -> list[Measurement]:
    """C02: count of the day against the same weekday of eight weeks."""
    found = [
        _judge_day(night, definition, key, night.series[key])
        for key in sorted(night.series)
        if key[0] in {*NAMES, "channel_orders"}
    ]
    return found or [insufficient("all", "no series of orders was counted")]


def _judge_day(
    night: Night, definition: Definition, key: tuple[str, str], series: DailySeries
) -> Measurement:
    subject = _subject(key)
    # Only the orders of the shop hold a night back; fewer new customers can be the season.
    is_blocking = key == BLOCKING
    scope: dict[str, Any] = (
        {}
        if is_blocking
        else {
            "limits": Limits(definition.warn, None),
            "blocks": "none",
        }
    )
    place = len(series.values) - 1
    count = float(series.values[place])
    what = NAMES.get(key[0], f"orders by {subject}")
    day = night.as_of_date
    if count == 0 and night.open_days.is_closed(day):
        return Measurement(
            subject, 0.0, decided="pass", says=f"no {what}, the shop is closed that day", **scope
        )
    if place < WEEK * WEEKS:
        return insufficient(
            subject,
            f"{written(count, 'count')} {what}; comparing needs {WEEKS} weeks of history",
            **scope,
        )
    found = _deviations(
        night,
        series,
        np.array([place]),
        fewest=definition.min_reference or 1,
        floor=definition.parameters["relative_floor"],
    )
    z, ratio, expected = (float(part[0]) for part in (found.z, found.ratio, found.expected))
    points = int(found.points[0])
    if points < (definition.min_reference or 0):
        return insufficient(
            subject,
            f"{written(count, 'count')} {what}; only {points} of the {WEEKS} weekdays "
            "before can be compared",
            reference_count=points,
            **scope,
        )
    if night.open_days.is_promotion(day) and ratio >= 0:
        # A promotion brings orders; it explains no loss.
        return insufficient(
            subject,
            f"{written(count, 'count')} {what}: the calendar names a promotion, so the "
            "day is only watched for a loss",
            reference_count=points,
            **scope,
        )
    # The half that keeps the logarithm of an empty day finite is no order.
    usual = max(0.0, expected - HALF)
    says = (
        f"{written(count, 'count')} {what} on this {day:%A}, {more_or_less(ratio)} than the "
        f"{_round(usual)} to be expected: {abs(z):.1f} times the usual deviation"
    )
    is_gone = count == 0 and expected >= definition.parameters["zero_expected"]
    if is_gone:
        says = f"no {what} at all on this {day:%A}, {_round(usual)} were to be expected"
    return Measurement(
        subject,
        abs(z),
        effect=ratio,
        expected=expected,
        reference_count=points,
        current_count=int(count) if np.isfinite(count) else None,
        says=says,
        is_significant=_chance(count, expected) < definition.parameters["alpha"],
        decided=("error" if is_blocking else "warn") if is_gone else None,
        **scope,
    )


def _chance(count: float, expected: float) -> float:
    """Chance of a Poisson count as far off; the logarithm of a small count has no normal tail."""
    mean = max(expected - HALF, 0.0)
    below = stats.poisson.cdf(count, mean)
    return float(below if count < mean else stats.poisson.sf(count - 1, mean))


def _deviations(
    night: Night, series: DailySeries, places: NDArray[Any], *, fewest: int, floor: float
) -> Deviations:
    """Compare days with the same weekdays before, without holidays and promotions."""
    logs = np.log(series.values + HALF)
    usable = np.where(_left_out(night, series), np.nan, logs)
    return log_deviations(
        logs[places],
        lagged(usable, places, WEEK, WEEKS),
        fewest=fewest,
        floor=floor,
    )


def _left_out(night: Night, series: DailySeries) -> NDArray[np.bool_]:
    """Days of the shop that tell nothing, in the places of this series; both end on one day."""
    own = night.open_days.left_out
    length = len(series.values)
    if len(own) >= length:
        return own[len(own) - length :]
    return np.concatenate([np.zeros(length - len(own), dtype=bool), own])


def _round(count: float) -> str:
    return f"{count:,.0f}" if count >= 10 else written(count)


def _subject(key: tuple[str, str]) -> str:
    return f"channel {key[1]}" if key[0] == "channel_orders" else key[0]


def slow_drift(night: Night, definition: Definition) -> list[Measurement]:
    """C50: sums of the deviations of C02, with a limit that the series itself has earned."""
    found = [_summed(night, definition, key) for key in SUMMED if key in night.series]
    return found or [insufficient("all", "no series of orders was counted")]


def _summed(night: Night, definition: Definition, key: tuple[str, str]) -> Measurement:
    series = night.series[key]
    subject = _subject(key)
    hold_out = int(definition.parameters["hold_out_days"])
    first = WEEK * WEEKS
    places = np.arange(first, len(series.values))
    if len(places) - hold_out < (definition.min_reference or 0):
        return insufficient(
            subject,
            f"slow drift of {NAMES[key[0]]} needs {(definition.min_reference or 0) + hold_out} "
            f"days beside the first {first}",
            reference_count=max(0, len(places) - hold_out),
        )
    deviations = _deviations(
        night,
        series,
        places,
        fewest=int(definition.parameters["fewest_weeks"]),
        floor=definition.parameters["relative_floor"],
    )
    # A closed weekday deviates from nothing, and an outage is one bad day, not a drift.
    is_judged = ~_left_out(night, series)[places] & (deviations.expected >= 1)
    z = np.where(is_judged, np.clip(deviations.z, -WINSOR, WINSOR), np.nan)
    past, present = z[:-hold_out], z[-hold_out:]
    phi = max(0.0, autocorrelation(past))
    steps = whitened(z, phi)
    slack = definition.parameters["slack"]
    replayed = int((~np.isnan(past)).sum())
    allowed = int(definition.parameters["alarms_per_year"] * len(past) / YEAR_DAYS)
    limit = calibrated_limit(steps[:-hold_out], slack, definition.warn or 0.0, allowed)
    up, down = (float(sums[-1]) for sums in cusum(steps[-hold_out:], slack))
    side = "more" if up >= down else "fewer"
    value = max(up, down)
    return Measurement(
        subject,
        value,
        effect=float(np.nanmean(present)) if not np.isnan(present).all() else None,
        reference_count=replayed,
        current_count=int((~np.isnan(present)).sum()),
        limits=Limits(limit, None),
        says=f"small deviations towards {side} {NAMES[key[0]]} add up to {value:.1f} in the last "
        f"{hold_out} days",
        details={"autocorrelation": round(phi, 4), "upwards": up, "downwards": down},
    )
