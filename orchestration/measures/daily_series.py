"""Daily counts, and the days on which the shop is known or expected to be open.

What deviates from them is judged in `orchestration.measures.judges`; the robust comparison itself
is in `orchestration.measures.control`. Nothing here knows Dagster, a database or a file.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

WEEK = 7
# How many days of the same weekday tell whether it is a day of business, and how much of it.
WEEKDAY_MEMORY = 8
# Weeks to either side in which a weekday must have been open for an empty day to be a holiday.
NEIGHBOUR_WEEKS = (1, 2, 3)


@dataclass(frozen=True)
class DailySeries:
    """Counts of successive days.

    Attributes:
        start: day of the first count.
        values: counts by day, shape (days,); NaN where the count is unknown.
    """

    start: date
    values: NDArray[np.float64]

    @property
    def end(self) -> date:
        """Day of the last count."""
        return self.start + timedelta(days=len(self.values) - 1)

    def place(self, day: date) -> int | None:
        """Position of a day in `values`, None if it lies outside."""
        place = (day - self.start).days
        return place if 0 <= place < len(self.values) else None


def read_series(
    rows: Iterable[Mapping[str, Any]], as_of_date: date
) -> dict[tuple[str, str], DailySeries]:
    """Read the rows of `quality_daily_series`; days that are absent before the last count 0.

    Args:
        rows: records of series, subject, date_day, value.
        as_of_date: last day of every series.

    Returns:
        The series by name and subject.
    """
    counts: dict[tuple[str, str], dict[date, Any]] = defaultdict(dict)
    for row in rows:
        counts[row["series"], row["subject"]][row["date_day"]] = row["value"]
    found = {}
    for key, by_day in counts.items():
        start = min(by_day)
        values = np.zeros((as_of_date - start).days + 1)
        for day, value in by_day.items():
            values[(day - start).days] = np.nan if value is None else value
        found[key] = DailySeries(start, values)
    return found


class OpenDays:
    """On which days orders can be expected, learned from the orders themselves.

    A weekday is open if most of its last eight days were. A day is known to be closed if the
    calendar says so, or if it was empty and so was its calendar date in an earlier year although
    that weekday was open in the weeks around it.
    """

    def __init__(self, orders: DailySeries, calendar: Iterable[Mapping[str, Any]] = ()) -> None:
        self._orders = orders
        kinds = [(str(row["kind"]), row["date_day"]) for row in calendar]
        self._closed = {day for kind, day in kinds if kind == "closed"}
        self._promotions = {day for kind, day in kinds if kind == "promotion"}

    @property
    def first_day(self) -> date:
        """First day of the orders."""
        return self._orders.start

    @cached_property
    def last_event(self) -> int:
        """Position of the last day with an order, -1 if there is none."""
        ordered = np.flatnonzero(self._orders.values > 0)
        return int(ordered[-1]) if len(ordered) else -1

    def is_promotion(self, day: date) -> bool:
        """Whether the calendar names a promotion."""
        return day in self._promotions

    def is_holiday(self, day: date) -> bool:
        """Whether the day is closed by the calendar, or was so in an earlier year."""
        return day in self._closed or any(
            self._was_empty_alone(earlier) for earlier in self._earlier_years(day)
        )

    def is_closed(self, day: date) -> bool:
        """Whether no orders need to come: a holiday, or a weekday that is never open."""
        return self.is_holiday(day) or self.expected(day) == 0

    def expected(self, day: date) -> float:
        """Mean orders of the weekday as long as the feed was alive; 0 if it is not open.

        The silence up to the as-of date teaches nothing, or a dead feed would look closed after
        some weeks. Where orders are so rare that no weekday is open, all days may bring some.
        """
        known = self._known((day - self._orders.start).days)
        is_open = _most_are_open(known) or not self._has_rhythm
        return float(np.mean(known)) if known and is_open else 0.0

    @cached_property
    def _has_rhythm(self) -> bool:
        return any(_most_are_open(self._known(self.last_event - past)) for past in range(WEEK))

    def _known(self, place: int) -> list[float]:
        """Orders of the last days of the same weekday while the feed was alive, newest first."""
        values = self._orders.values
        known: list[float] = []
        first = place - WEEK * max(0, -(-(place - self.last_event) // WEEK))
        for past in range(first, -1, -WEEK):
            then = self._orders.start + timedelta(days=past)
            if then in self._promotions or (values[past] == 0 and self.is_holiday(then)):
                continue
            known.append(float(values[past]))
            if len(known) == WEEKDAY_MEMORY:
                break
        return known

    @cached_property
    def left_out(self) -> NDArray[np.bool_]:
        """Days of the orders, shape (days,), that say nothing about others: holidays, promotions.

        A holiday on which people bought all the same is a day like others.
        """
        values = self._orders.values
        start = self._orders.start
        out = np.zeros(len(values), dtype=bool)
        for day in self._closed | self._promotions:
            place = self._orders.place(day)
            if place is not None:
                out[place] = True
        for place in np.flatnonzero(values == 0):
            out[place] = out[place] or self.is_holiday(start + timedelta(days=int(place)))
        return out

    def _earlier_years(self, day: date) -> Iterable[date]:
        for year in range(day.year - 1, self._orders.start.year - 1, -1):
            try:
                yield day.replace(year=year)
            except ValueError:  # 29 February
                continue

    def _was_empty_alone(self, day: date) -> bool:
        place = self._orders.place(day)
        values = self._orders.values
        if place is None or values[place] != 0:
            return False
        around = [
            values[place + sign * WEEK * weeks] > 0
            for weeks in NEIGHBOUR_WEEKS
            for sign in (-1, 1)
            if 0 <= place + sign * WEEK * weeks < len(values)
        ]
        return sum(around) * 2 > len(around)


def _most_are_open(counts: list[float]) -> bool:
    return sum(count > 0 for count in counts) * 2 > len(counts)
