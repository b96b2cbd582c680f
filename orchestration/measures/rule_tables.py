"""The rule tables as values, and the map from scores to segments that they mean.

What is wrong with them is said by `orchestration.measures.rules`; reading the files is
`orchestration.rules`. Nothing here knows Dagster, a database or a file.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date
    from decimal import Decimal

Cell: TypeAlias = tuple[int, int, int]

SCORES = range(1, 6)
CELLS: tuple[Cell, ...] = tuple(itertools.product(SCORES, SCORES, SCORES))
AXES = ("R", "F", "M")


@dataclass(frozen=True)
class SegmentRule:
    """One row of `segment_rules`: a box of scores that gives a segment."""

    preset: str
    valid_from: date
    priority: int
    segment: str
    r_min: int
    r_max: int
    f_min: int
    f_max: int
    m_min: int
    m_max: int

    @property
    def bounds(self) -> tuple[tuple[int, int], ...]:
        """Lowest and highest score for recency, frequency and monetary."""
        return (self.r_min, self.r_max), (self.f_min, self.f_max), (self.m_min, self.m_max)

    def holds(self, cell: Cell) -> bool:
        """Whether the three scores lie in the rule's box."""
        return all(
            low <= score <= high for score, (low, high) in zip(cell, self.bounds, strict=True)
        )


@dataclass(frozen=True)
class Segment:
    """One row of `segments`: what a segment is for, and when people last looked at that."""

    preset: str
    segment: str
    rank: int
    label: str
    description: str
    purpose: str
    action: str
    channel: str
    needs: str
    content: str
    objections: str
    messaging: str
    objective: str
    objective_metric: str
    objective_target: str
    reviewed_on: date


@dataclass(frozen=True)
class LifecycleStage:
    """One row of `lifecycle_stages`; None where the bound is open or has no meaning."""

    valid_from: date
    stage: str
    clock: str
    from_day: int | None
    to_day: int | None
    after_gap_days: int | None
    rank: int
    label: str
    description: str
    purpose: str
    action: str
    channel: str
    objective: str
    objective_metric: str
    objective_target: str
    reviewed_on: date


@dataclass(frozen=True)
class FixedCut:
    """One row of `fixed_score_cuts`."""

    valid_from: date
    metric: str
    cut: int
    value: Decimal


@dataclass(frozen=True)
class RuleException:
    """One row of `rule_exceptions`: a finding that was read and accepted."""

    preset: str
    check: str
    subject: str
    reason: str


@dataclass(frozen=True)
class RuleBook:
    """All rule tables together."""

    segment_rules: tuple[SegmentRule, ...]
    segments: tuple[Segment, ...]
    lifecycle_stages: tuple[LifecycleStage, ...] = ()
    fixed_score_cuts: tuple[FixedCut, ...] = ()
    exceptions: tuple[RuleException, ...] = ()


@dataclass(frozen=True)
class Finding:
    """Something wrong with the rules, in one line that says where and what to do.

    Attributes:
        check: reason code, also the key of an exception.
        severity: an `error` stops the run, a `warn` is shown.
        preset: map it is about, or `lifecycle`, or `fixed_score_cuts`.
        subject: what exactly, stable enough for an exception to name it.
        message: the sentence for people.
    """

    check: str
    severity: Literal["error", "warn"]
    preset: str
    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.check}: {self.message}"


def cell_name(cell: Cell) -> str:
    """Scores as people write them, such as `R=3,F=1,M=5`."""
    return ",".join(f"{axis}={score}" for axis, score in zip(AXES, cell, strict=True))


def version_in_force(days: Iterable[date], on: date) -> date | None:
    """Latest version not after the day; before the earliest one, the earliest."""
    ordered = sorted(set(days))
    return max((day for day in ordered if day <= on), default=ordered[0] if ordered else None)


def rules_in_force(rules: Iterable[SegmentRule], preset: str, on: date) -> list[SegmentRule]:
    """Rules of the preset that hold on the day, in order of priority."""
    own = [rule for rule in rules if rule.preset == preset]
    version = version_in_force((rule.valid_from for rule in own), on)
    return sorted(
        (rule for rule in own if rule.valid_from == version), key=lambda rule: rule.priority
    )


def claims(rules: Iterable[SegmentRule]) -> dict[Cell, list[SegmentRule]]:
    """For each of the 125 cells, the rules that hold there, first match first."""
    ordered = sorted(rules, key=lambda rule: rule.priority)
    return {cell: [rule for rule in ordered if rule.holds(cell)] for cell in CELLS}


def cell_map(rules: Iterable[SegmentRule], preset: str, on: date) -> dict[Cell, str]:
    """Segment of every covered cell on the day; an uncovered cell is absent."""
    return {
        cell: holding[0].segment
        for cell, holding in claims(rules_in_force(rules, preset, on)).items()
        if holding
    }
