"""Did the data arrive, whole and once: freshness, keys, rejects, columns, conservation, lateness.

Whether a day has as many orders as its weekday is judged in `orchestration.measures.judges.volume`.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from scipy import stats

from orchestration.measures.checks import Limits, Measurement, counted, written
from orchestration.measures.judges.reading import grouped, insufficient, number, total, whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestration.measures.checks import Definition
    from orchestration.measures.night import Night

DAY_HOURS = 24.0
ORDERS = "orders"


def source_freshness(night: Night, definition: Definition) -> list[Measurement]:
    """C01: hours since the newest event, on days that should have brought some."""
    rows = {str(row["source"]): row for row in night.rows("source_arrivals")}
    # How often refunds or customers come is not known; their newest is told and not judged.
    newest = {
        source: str(row["newest_at"])
        for source, row in sorted(rows.items())
        if row["newest_at"] is not None
    }
    return [_orders_freshness(night, definition, rows.get(ORDERS), newest)]


def _orders_freshness(
    night: Night,
    definition: Definition,
    row: Mapping[str, Any] | None,
    newest_by_source: Mapping[str, str],
) -> Measurement:
    if row is None or row["newest_at"] is None:
        return Measurement(ORDERS, None, says="there is no order up to this day")
    newest = _instant(row["newest_at"])
    lag = (datetime.combine(newest.date() + timedelta(days=1), time()) - newest) / timedelta(
        hours=1
    )
    expected = 0.0
    silent = (night.as_of_date - newest.date()).days
    for past in range(1, silent + 1):
        day = newest.date() + timedelta(days=past)
        orders = 0.0 if night.open_days.is_holiday(day) else night.open_days.expected(day)
        lag += DAY_HOURS if orders > 0 else 0
        expected += orders
    says = (
        f"the newest order is of {newest:%Y-%m-%d %H:%M}, {written(lag, 'hours')} of business "
        "before the end of the day"
    )
    if silent:
        says += f"; {expected:,.0f} orders should have come since"
    return Measurement(
        ORDERS,
        lag,
        expected=expected,
        current_count=whole(number(row, "row_count")),
        says=says,
        unit="hours",
        is_significant=expected >= definition.parameters["fewest_expected"],
        details={"newest_by_source": dict(newest_by_source), "silent_days": silent},
    )


def _instant(value: date | datetime) -> datetime:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    return datetime.combine(value, time())


def key_integrity(night: Night, definition: Definition) -> list[Measurement]:
    """C03: rows whose key came before, with the same or another content, or is missing."""
    found = []
    for (source,), rows in grouped(night.rows("intake"), "source").items():
        received = total(rows, "received_rows")
        repeated = total(rows, "duplicate_rows")
        conflicting = total(rows, "conflicting_rows")
        keyless = total(rows, "null_key_rows")
        share = None
        if received is not None and conflicting is not None:
            share = conflicting / received if received else 0.0
        count = whole(received)
        found += [
            Measurement(
                f"{source}: repeated",
                repeated,
                current_count=count,
                unit="count",
                limits=Limits(definition.warn, None),
                says=f"{counted(repeated, 'row')} of {source} repeated another one in full; "
                "repeats are not counted",
            ),
            Measurement(
                f"{source}: contradicting",
                share,
                effect=conflicting,
                current_count=count,
                unit="share",
                says=f"{counted(conflicting, 'row')} of {source} ({written(share, 'share')}) "
                "contradicted another one of the same number and stayed out",
            ),
            Measurement(
                f"{source}: without key",
                keyless,
                current_count=count,
                unit="count",
                limits=Limits(definition.warn, None),
                says=f"{counted(keyless, 'row')} of {source} without a number or customer stayed "
                "out",
            ),
        ]
    return found or [Measurement("all", None, says="no row of any input was counted")]


def quarantine_rate(night: Night, definition: Definition) -> list[Measurement]:
    """C04: rejected rows over received rows, by source and by file that is worse than a warning."""
    found = []
    for (source,), rows in grouped(night.rows("intake"), "source").items():
        found.append(_rejected(source, source, rows, definition))
        if len(rows) > 1:
            own = (
                _rejected(f"{source}: {row['file']}", f"{row['file']}", [row], definition)
                for row in sorted(rows, key=lambda row: str(row["file"]))
            )
            found += [one for one in own if (one.value or 0) > (definition.warn or 0)]
    return found or [Measurement("all", None, says="no row of any input was counted")]


def _rejected(
    subject: str, name: str, rows: Sequence[Mapping[str, Any]], definition: Definition
) -> Measurement:
    received, rejected = total(rows, "received_rows"), total(rows, "rejected_rows")
    share = None
    if received is not None and rejected is not None:
        share = rejected / received if received else 0.0
    is_many = (rejected or 0) >= definition.parameters["error_rows"]
    return Measurement(
        subject,
        share,
        effect=rejected,
        current_count=whole(received),
        unit="share",
        limits=None if is_many else Limits(definition.warn, None),
        says=f"{written(rejected, 'count')} of {written(received, 'count')} rows of {name} "
        f"({written(share, 'share')}) could not be used",
    )


def schema_contract(night: Night, definition: Definition) -> list[Measurement]:
    """C05: columns that are missing, of another type, or unknown."""
    problems = night.rows("schema_problems")
    extra = [row for row in problems if row["problem"] == "extra"]
    breaking = [row for row in problems if row["problem"] != "extra"]
    return [
        Measurement(
            "missing or retyped",
            len(breaking),
            unit="count",
            limits=Limits(None, definition.error),
            says=f"{counted(len(breaking), 'column')} of the inputs missing or of another type"
            + _columns(breaking),
            details={"columns": [_problem(row) for row in breaking]},
        ),
        Measurement(
            "unknown",
            len(extra),
            unit="count",
            limits=Limits(definition.warn, None),
            says=f"{counted(len(extra), 'column')} of the inputs unknown and not used"
            + _columns(extra),
            details={"columns": [_problem(row) for row in extra]},
        ),
    ]


def _columns(rows: Sequence[Mapping[str, Any]]) -> str:
    names = [f"{row['source']}.{row['column_name']}" for row in rows]
    return f" ({', '.join(names[:5])}{' and more' if len(names) > 5 else ''})" if names else ""


def _problem(row: Mapping[str, Any]) -> dict[str, str]:
    columns = ("source", "column_name", "problem", "expected", "found")
    return {column: str(row.get(column)) for column in columns}


def conservation(night: Night, definition: Definition) -> list[Measurement]:  # noqa: ARG001
    """C06: two independent counts of the same thing; compared exactly, shown as a number."""
    found = []
    for row in sorted(night.rows("conservation"), key=lambda row: row["identity"]):
        left, right = row["left_value"], row["right_value"]
        difference = None if left is None or right is None else abs(left - right)
        shown = "no number" if difference is None else f"{difference or 0:,}"
        found.append(
            Measurement(
                row["identity"],
                None if difference is None else float(difference),
                effect=None if left is None else float(left),
                unit="number",
                says=f"the two counts of {row['identity']} differ by {shown}",
                details={"left_value": str(left), "right_value": str(right)},
            )
        )
    return found or [Measurement("all", None, says="nothing was counted twice")]


def late_share(night: Night, definition: Definition) -> list[Measurement]:
    """C07: late orders among those that are new since the last completed run."""
    rows = night.rows("late_arrivals")
    arrived, late = total(rows, "arrived_orders"), total(rows, "late_orders")
    if arrived is None or late is None:
        return [Measurement("all", None, says="late orders were not counted")]
    count = whole(arrived)
    # Of few orders a share above the limit may be chance: how likely are so many at the limit?
    p_value = float(stats.binom.sf(late - 1, arrived, definition.warn or 0.0))
    if not definition.enough(None, arrived):
        says = (
            f"{written(arrived, 'count')} orders are new since the last run, "
            f"{definition.min_current} are needed to judge how many came late"
        )
        return [insufficient("all", says, current_count=count)]
    return [
        Measurement(
            "all",
            late / arrived,
            effect=late,
            current_count=count,
            unit="share",
            is_significant=p_value < definition.parameters["alpha"],
            details={"chance_at_the_limit": p_value},
            says=f"{written(late, 'count')} of {written(arrived, 'count')} new orders "
            f"({written(late / arrived, 'share')}) came more than three days late",
        )
    ]


def published_age(night: Night, definition: Definition) -> list[Measurement]:  # noqa: ARG001
    """C53: days between the as-of date and what readers have."""
    published = [
        row["published_as_of"]
        for row in night.rows("published_as_of")
        if row["published_as_of"] is not None
    ]
    if not published:
        return [insufficient("all", "nothing is published yet")]
    days = max(0, (night.as_of_date - max(published)).days)
    return [
        Measurement(
            "all",
            days,
            unit="days",
            says=f"readers have the tables of {max(published)}, {written(days, 'days')} before "
            "this day",
        )
    ]
