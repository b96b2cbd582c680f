"""Judges one night: every check on the aggregates of one as-of date.

The numbers come from the tables of the schema `quality`, read by somebody else. The formulas are in
`orchestration.measures.judges`; what results hold back is in `orchestration.measures.verdict`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from orchestration.measures.checks import Definition, Measurement, Result, conclude, failed
from orchestration.measures.daily_series import DailySeries, OpenDays, read_series
from orchestration.measures.judges.registry import FAMILY_CHECK, JUDGES
from orchestration.measures.segment_usefulness import SegmentVerdict, segment_verdict_rows
from orchestration.measures.tables import benjamini_hochberg

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

__all__ = [
    "MissingTableError",
    "Night",
    "SegmentVerdict",
    "Unavailable",
    "judge_night",
    "segment_verdict_rows",
]

Row: TypeAlias = "Mapping[str, Any]"


class MissingTableError(Exception):
    """A check asked for a table that is not there; the message says which and why."""


@dataclass(frozen=True)
class Unavailable:
    """Stands for a table that could not be read.

    Attributes:
        reason: why, in words for people and without values of the data.
    """

    reason: str


@dataclass(frozen=True)
class Night:
    """The aggregates of one as-of date.

    Attributes:
        as_of_date: last day of the data.
        tables: rows by table: the names of the schema `quality` without their prefix, and
            `segment_daily_metrics`, `definition_log`, `published_definitions`, `calendar_days`,
            `published_as_of`, `schema_problems`. Rows map column names to values; numbers may be
            int, float or Decimal, days are dates, instants datetimes.
    """

    as_of_date: date
    tables: Mapping[str, Sequence[Row] | Unavailable]

    def rows(self, table: str) -> Sequence[Row]:
        """Return the rows of a table that a check cannot do without.

        Raises:
            MissingTableError: The table could not be read.
        """
        found = self.tables.get(table, Unavailable("it was not read"))
        if isinstance(found, Unavailable):
            raise MissingTableError(f"the table {table} is missing, {found.reason}")
        return found

    def optional(self, table: str) -> Sequence[Row]:
        """Return the rows of a table, none if it could not be read."""
        found = self.tables.get(table, ())
        return () if isinstance(found, Unavailable) else found

    @cached_property
    def series(self) -> Mapping[tuple[str, str], DailySeries]:
        """The daily counts by series and subject."""
        return read_series(self.rows("daily_series"), self.as_of_date)

    @cached_property
    def open_days(self) -> OpenDays:
        """Which days the shop was, or was expected to be, open.

        Raises:
            MissingTableError: There is no series of orders.
        """
        orders = self.series.get(("orders", "all"))
        if orders is None:
            raise MissingTableError("the table daily_series has no orders")
        return OpenDays(orders, self.optional("calendar_days"))

    @cached_property
    def sizes(self) -> Mapping[date, Mapping[str, int]]:
        """Customers by day and segment, as far back as the daily metrics were read."""
        found: dict[date, dict[str, int]] = defaultdict(dict)
        for row in self.rows("segment_daily_metrics"):
            found[row["date_day"]][row["segment"]] = int(row["customers"])
        return found

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """Names of the segments for people."""
        return {
            str(row["segment"]): str(row["label"])
            for row in self.optional("definitions")
            if row.get("label")
        }

    def label(self, segment: str) -> str:
        """Name of a segment for people; its own name where there is none."""
        return self.labels.get(segment, segment)

    @property
    def history_days(self) -> int:
        """Days from the first order to the as-of date."""
        return (self.as_of_date - self.open_days.first_day).days

    def scorecards_since(self, day: date, until: date | None = None) -> tuple[str, ...]:
        """Names of the scorecards that took effect after a day, up to another or the as-of date.

        A name that stands for two sets of cut points announces nothing.
        """
        log = self.optional("definition_log")
        times = Counter(row["definition_id"] for row in log)
        return tuple(
            sorted(
                row["definition_id"]
                for row in log
                if row["definition_type"] == "scorecard"
                and times[row["definition_id"]] == 1
                and day < row["first_used_on"] <= (until or self.as_of_date)
            )
        )


def judge_night(night: Night, definitions: Mapping[str, Definition]) -> tuple[Result, ...]:
    """Judge every check.

    Args:
        night: what was counted.
        definitions: the checks by id.

    Returns:
        At least one result of every check, ordered by check and subject. A check that raises is an
        error of that check; a table that is missing is an error of a required check and
        `insufficient_data` of any other.
    """
    results: list[Result] = []
    found: list[tuple[Definition, Measurement]] = []
    for check_id in sorted(set(definitions) - {FAMILY_CHECK}):
        definition = definitions[check_id]
        outcome = _measure(night, definition)
        if isinstance(outcome, Result):
            results.append(outcome)
        else:
            found.extend((definition, one) for one in outcome)
    adjusted = _adjust(found)
    results += [
        conclude(night.as_of_date, definition, one, adjusted.get(place))
        for place, (definition, one) in enumerate(found)
    ]
    if FAMILY_CHECK in definitions:
        family = _family(definitions[FAMILY_CHECK], list(adjusted.values()))
        results.append(conclude(night.as_of_date, definitions[FAMILY_CHECK], family))
    return tuple(sorted(results, key=lambda one: (one.check_id, one.subject)))


def _measure(night: Night, definition: Definition) -> Sequence[Measurement] | Result:
    """Measure one check; whatever goes wrong in it stays its own."""
    judge = JUDGES.get(definition.check_id)
    if judge is None:
        return failed(night.as_of_date, definition, "no code judges it", "error")
    try:
        found = judge(night, definition)
    except MissingTableError as error:
        status = "error" if definition.is_required else "insufficient_data"
        return failed(night.as_of_date, definition, str(error), status)
    except Exception as error:  # noqa: BLE001 - one broken check must not hide the others
        # Only the kind of the error: its text may quote a value of the data.
        reason = f"the check raised {type(error).__name__}, see its code and its table"
        return failed(night.as_of_date, definition, reason, "error")
    if not found:
        return failed(night.as_of_date, definition, "it judged nothing", "error")
    return found


def _adjust(found: Sequence[tuple[Definition, Measurement]]) -> dict[int, float]:
    """Correct the p-values of the day together; a check's own correction is left alone."""
    tested = {
        place: float(one.p_value)
        for place, (_, one) in enumerate(found)
        if one.p_value is not None
        and one.p_adjusted is None
        and one.is_sufficient
        and 0 <= one.p_value <= 1
    }
    return dict(zip(tested, benjamini_hochberg(list(tested.values())), strict=True))


def _family(definition: Definition, adjusted: Sequence[float]) -> Measurement:
    """Say how many of the day's tests stay significant; each check draws its own conclusion."""
    if not adjusted:
        return Measurement(
            "all", None, is_sufficient=False, says="No test of this day gave a p-value"
        )
    at_warn = sum(p < (definition.p_warn or 0) for p in adjusted)
    at_error = sum(p < (definition.p_error or 0) for p in adjusted)
    return Measurement(
        "all",
        at_warn,
        current_count=len(adjusted),
        decided="pass",
        says=(
            f"{at_warn} of the day's {len(adjusted)} tests stay significant after correction for "
            f"their number at {definition.p_warn}, {at_error} at {definition.p_error}"
        ),
        details={"tests": len(adjusted), "at_warn": at_warn, "at_error": at_error},
        unit="count",
    )
