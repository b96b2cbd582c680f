"""What a check is, what it measures and how a measurement becomes a result with words.

The formulas live in the modules of `orchestration.measures.judges`, a whole night is judged in
`orchestration.measures.night`, and what results hold back is decided in
`orchestration.measures.verdict`. Nothing here knows Dagster, a database or a file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

Status: TypeAlias = Literal["pass", "warn", "error", "insufficient_data"]
Blocks: TypeAlias = Literal["publication", "activation", "audience", "none"]
Asset: TypeAlias = Literal["arrival", "drift", "stability", "usefulness"]
# above: more than the limit is beyond it; reaching: the limit of an error already is, that of a
# warning is not; below: less than the limit is beyond it.
Direction: TypeAlias = Literal["above", "reaching", "below"]
Unit: TypeAlias = Literal["number", "count", "share", "points", "hours", "days"]

STATUSES: tuple[Status, ...] = ("pass", "warn", "error", "insufficient_data")


@dataclass(frozen=True)
class Definition:
    """One row of `quality_thresholds`: a check in four parts, its limits and what it blocks.

    Attributes:
        check_id: stable id, such as C02.
        check: name in the tables, such as `volume_weekday`.
        title: name for people.
        measures: what is measured, with the formula.
        why: why it matters.
        remedy: what to do when it alarms.
        asset: group that it is computed and shown with.
        direction: which side of a limit is bad.
        warn: limit of a warning, in the unit of the value; None if it never warns by value.
        error: limit of an error, likewise.
        warn_effect: size that the effect must exceed as well before the check warns.
        error_effect: the same before it is an error.
        min_reference: fewest units of the reference that can be judged.
        min_current: fewest units of the present that can be judged.
        p_warn: adjusted p-value that must be undercut before it warns.
        p_error: the same before it is an error.
        is_required: whether no judgement blocks like an error.
        blocks: what an error holds back; publication includes activation.
        parameters: other numbers of the formula that people may want to change.
    """

    check_id: str
    check: str
    title: str
    measures: str
    why: str
    remedy: str
    asset: Asset
    direction: Direction = "above"
    warn: float | None = None
    error: float | None = None
    warn_effect: float | None = None
    error_effect: float | None = None
    min_reference: int | None = None
    min_current: int | None = None
    p_warn: float | None = None
    p_error: float | None = None
    is_required: bool = False
    blocks: Blocks = "none"
    parameters: Mapping[str, float] = field(default_factory=dict)

    def enough(self, reference: float | None, current: float | None) -> bool:
        """Whether there is as much on both sides as the check asks for; None is not asked."""
        return (reference is None or reference >= (self.min_reference or 0)) and (
            current is None or current >= (self.min_current or 0)
        )


@dataclass(frozen=True)
class Limits:
    """Limits of one subject where they differ from those of the check, None for no such limit."""

    warn: float | None
    error: float | None
    direction: Direction | None = None


@dataclass(frozen=True)
class Measurement:
    """What a check found about one subject, before the day's tests are corrected together.

    Attributes:
        subject: what was measured: a source, a feature, a segment, `all`.
        value: the number that the limits are about.
        effect: size of the deviation in plain units, if it is not the value itself.
        expected: what the value would be if nothing were wrong.
        p_value: of the check's test.
        reference_count: units of the reference.
        current_count: units of the present.
        is_sufficient: False when there is too little to judge; `says` then tells what is missing.
        details: further numbers; no person's data.
        says: the finding in words with its number, without a full stop.
        unit: how value and limits are written.
        limits: limits of this subject, where they are not those of the check.
        is_significant: False when chance explains the value; then nothing is beyond a limit.
        decided: status found by a rule of the check that is no comparison with one limit.
        blocks: what an error of this subject blocks, where it is less than the check does. A
            subject that blocks nothing is never required.
        p_adjusted: set by checks that correct their own family.
    """

    subject: str
    value: float | None
    effect: float | None = None
    expected: float | None = None
    p_value: float | None = None
    reference_count: int | None = None
    current_count: int | None = None
    is_sufficient: bool = True
    details: Mapping[str, Any] = field(default_factory=dict)
    says: str = ""
    unit: Unit = "number"
    limits: Limits | None = None
    is_significant: bool = True
    decided: Status | None = None
    blocks: Blocks | None = None
    p_adjusted: float | None = None


@dataclass(frozen=True)
class Result:
    """The judgement of one check on one subject; see `Definition` and `Measurement`.

    Attributes:
        message: one plain sentence with the number and the limit.
    """

    as_of_date: date
    check_id: str
    check: str
    title: str
    asset: Asset
    subject: str
    value: float | None
    warn_threshold: float | None
    error_threshold: float | None
    reference_count: int | None
    current_count: int | None
    effect: float | None
    p_value: float | None
    p_adjusted: float | None
    status: Status
    is_required: bool
    blocks: Blocks
    message: str
    details: Mapping[str, Any]


def conclude(
    as_of_date: date,
    definition: Definition,
    measurement: Measurement,
    p_adjusted: float | None = None,
) -> Result:
    """Compare a measurement with its limits.

    Args:
        as_of_date: day that is judged.
        definition: the check.
        measurement: what was found.
        p_adjusted: the p-value after correction for the day's family of tests.

    Returns:
        The result. A value that is no finite number is an error of a required check and not
        enough data for any other.
    """
    blocks = measurement.blocks or definition.blocks
    is_required = definition.is_required and blocks != "none"
    limits = measurement.limits or Limits(definition.warn, definition.error)
    p_adjusted = measurement.p_adjusted if measurement.p_adjusted is not None else p_adjusted
    status, suffix = _judge(definition, measurement, limits, p_adjusted, is_required)
    details = dict(measurement.details)
    if measurement.expected is not None:
        details["expected"] = finite(measurement.expected)
    return Result(
        as_of_date=as_of_date,
        check_id=definition.check_id,
        check=definition.check,
        title=definition.title,
        asset=definition.asset,
        subject=measurement.subject,
        value=finite(measurement.value),
        warn_threshold=limits.warn,
        error_threshold=limits.error,
        reference_count=measurement.reference_count,
        current_count=measurement.current_count,
        effect=finite(measurement.effect),
        p_value=finite(measurement.p_value),
        p_adjusted=finite(p_adjusted),
        status=status,
        is_required=is_required,
        blocks=blocks,
        message=_sentence(measurement.says or definition.title, suffix),
        details=details,
    )


def failed(as_of_date: date, definition: Definition, reason: str, status: Status) -> Result:
    """Make the result of a check that could not be computed.

    Args:
        as_of_date: day that is judged.
        definition: the check.
        reason: what was missing or went wrong, without values of the data.
        status: `error` or `insufficient_data`.
    """
    nothing = Measurement("all", None, decided=status, says=f"{definition.title}: {reason}")
    return conclude(as_of_date, definition, nothing)


def finite(value: float | None) -> float | None:
    """Return the number as a float, or None if there is none that can be compared."""
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def written(value: float | None, unit: Unit = "number") -> str:
    """Write a number for people: shares as percent, points of a share as such.

    Args:
        value: the number; shares and points as fractions of one.
        unit: its unit.
    """
    if value is None or not math.isfinite(value):
        return "no number"
    if unit == "share":
        return f"{_short(100 * value, 1 if abs(value) >= 0.001 else 3)} %"
    if unit == "points":
        return f"{_short(100 * value, 1)} points"
    if unit in {"hours", "days"}:
        return f"{_short(value, 1)} {unit}"
    if unit == "count":
        return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
    return _short(value, 3 if abs(value) < 10 else 1)


def counted(value: float | None, noun: str) -> str:
    """Write a count with its noun, such as 1 row or 3 rows."""
    return f"{written(value, 'count')} {noun}{'' if value == 1 else 's'}"


def _short(value: float, digits: int) -> str:
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _judge(
    definition: Definition,
    measurement: Measurement,
    limits: Limits,
    p_adjusted: float | None,
    is_required: bool,
) -> tuple[Status, str]:
    if measurement.decided is not None:
        return measurement.decided, ""
    if not measurement.is_sufficient:
        return "insufficient_data", ""
    if finite(measurement.value) is None:
        return ("error" if is_required else "insufficient_data"), ", which gave no number"
    levels = _levels(definition, limits)
    for level in levels:
        if (
            measurement.is_significant
            and level.is_beyond(float(measurement.value or 0))
            and level.is_supported(measurement.effect)
            and level.is_proven(p_adjusted)
        ):
            return level.status, f"; {level.words(measurement.unit)}"
    return "pass", _calm(levels[-1], measurement) if levels else ""


@dataclass(frozen=True)
class _Level:
    """All that must hold for a warning, or for an error."""

    status: Literal["warn", "error"]
    limit: float
    direction: Direction
    effect: float | None
    p_value: float | None

    def words(self, unit: Unit) -> str:
        """Say what alarms, such as: above 50 % is an error."""
        if self.limit == 0 and self.direction == "above":
            text = "anything above 0"
        elif (self.direction, self.status) == ("reaching", "error"):
            text = f"{written(self.limit, unit)} or more"
        else:
            side = "below" if self.direction == "below" else "above"
            text = f"{side} {written(self.limit, unit)}"
        if self.p_value is not None:
            text += f" with p below {self.p_value:g}"
        return f"{text} is an error" if self.status == "error" else f"{text} warns"

    def is_beyond(self, value: float) -> bool:
        if self.direction == "below":
            return value < self.limit
        if (self.direction, self.status) == ("reaching", "error"):
            return value >= self.limit
        return value > self.limit

    def is_supported(self, effect: float | None) -> bool:
        if self.effect is None:
            return True
        return finite(effect) is not None and abs(float(effect or 0)) > self.effect

    def is_proven(self, p_adjusted: float | None) -> bool:
        if self.p_value is None:
            return True
        return finite(p_adjusted) is not None and float(p_adjusted or 0) < self.p_value


def _levels(definition: Definition, limits: Limits) -> list[_Level]:
    """Error first, then warning; a level without a limit is not there."""
    direction = limits.direction or definition.direction
    found = []
    if limits.error is not None:
        found.append(
            _Level("error", limits.error, direction, definition.error_effect, definition.p_error)
        )
    if limits.warn is not None:
        found.append(
            _Level("warn", limits.warn, direction, definition.warn_effect, definition.p_warn)
        )
    return found


def _calm(level: _Level, measurement: Measurement) -> str:
    """Say why the value is no alarm, by the limit that is nearest."""
    if not level.is_beyond(float(measurement.value or 0)):
        return f"; the limit is {written(level.limit, measurement.unit)}"
    if not level.is_supported(measurement.effect):
        return "; the deviation is too small to matter"
    return "; chance explains it"


def _sentence(text: str, suffix: str) -> str:
    whole = f"{text}{suffix}".strip().rstrip(".")
    return f"{whole[:1].upper()}{whole[1:]}."
