"""Checks of the rule tables that hold bounds: lifecycle stages and fixed cut points.

The segment rules are checked in `orchestration.measures.rules`, which also decides what an
exception accepts. Nothing here knows Dagster, a database or a file.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from orchestration.measures.rule_tables import Finding, FixedCut, LifecycleStage, Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CLOCKS = ("no_order", "since_first_order", "silence", "since_return", "otherwise")
METRICS = ("recency", "frequency", "monetary")
LIFECYCLE = "lifecycle"
FIXED_CUTS = "fixed_score_cuts"
WORDED = ("purpose", "action", "objective")
PLACEHOLDERS = frozenset({"", "-", "?", "n/a", "na", "none", "tbd", "todo", "xxx"})


def lint_text(preset: str, name: str, row: Segment | LifecycleStage) -> Iterator[Finding]:
    """Find texts that are absent or say nothing, and objectives that nobody could check."""
    for field in ("purpose", "action", "channel", "objective", "objective_metric"):
        text = str(getattr(row, field)).strip()
        if text.lower().rstrip(".") in PLACEHOLDERS:
            yield Finding(
                "MISSING_TEXT",
                "error",
                preset,
                f"{name}.{field}",
                f"preset {preset}: {name} has no {field}; say it, or the group changes nothing",
            )
        elif field in WORDED and len(text.split()) < 3:
            yield Finding(
                "VAGUE_TEXT",
                "warn",
                preset,
                f"{name}.{field}",
                f"preset {preset}: the {field} of {name} is too short to act on; say what is done "
                "or decided",
            )
    if not any(letter.isdigit() for letter in row.objective_target):
        yield Finding(
            "VAGUE_OBJECTIVE",
            "warn",
            preset,
            f"{name}.objective_target",
            f"preset {preset}: the objective of {name} has no number to reach; give "
            "objective_target one, such as +10 % in 6 months",
        )


def lint_lifecycle(stages: Sequence[LifecycleStage]) -> Iterator[Finding]:
    """Check every version of the lifecycle stages."""
    for version in sorted({row.valid_from for row in stages}):
        rows = [row for row in stages if row.valid_from == version]

        def finding(
            check: str, subject: str, text: str, where: str = f"lifecycle, valid_from {version}"
        ) -> Finding:
            return Finding(check, "error", LIFECYCLE, subject, f"{where}: {text}")

        for row in rows:
            yield from lint_text(LIFECYCLE, row.stage, row)
            yield from _lint_stage(row, finding)
        yield from _lint_clocks(rows, finding)
        yield from _lint_fresh(rows, finding)


def _lint_stage(row: LifecycleStage, finding: Callable[..., Finding]) -> Iterator[Finding]:
    if row.clock not in CLOCKS:
        yield finding(
            "BAD_CLOCK", row.stage, f"{row.stage} has clock {row.clock}; use {', '.join(CLOCKS)}"
        )
    elif row.clock in {"no_order", "otherwise"}:
        if (row.from_day, row.to_day, row.after_gap_days) != (None, None, None):
            yield finding(
                "BAD_RANGE",
                row.stage,
                f"{row.stage} has days but its clock counts none; clear them",
            )
    elif row.from_day is None or row.from_day < 0 or _end(row) < row.from_day:
        yield finding(
            "BAD_RANGE",
            row.stage,
            f"{row.stage} runs from day {row.from_day} to {row.to_day}; give from_day <= to_day, "
            "both 0 or more",
        )


def _lint_clocks(
    rows: Sequence[LifecycleStage], finding: Callable[..., Finding]
) -> Iterator[Finding]:
    for clock in ("no_order", "otherwise"):
        count = sum(row.clock == clock for row in rows)
        if count != 1:
            yield finding(
                "LIFECYCLE_OVERLAP" if count else "LIFECYCLE_GAP",
                clock,
                f"{count} stages have clock {clock}; exactly one must",
            )
    for clock in ("since_first_order", "silence", "since_return"):
        ranges = sorted(
            (row.from_day, _end(row), row.stage)
            for row in rows
            if row.clock == clock and row.from_day is not None
        )
        for (_, last, before), (first, _, after) in itertools.pairwise(ranges):
            if first <= last:
                yield finding(
                    "LIFECYCLE_OVERLAP",
                    f"{before}+{after}",
                    f"{before} and {after} both hold day {first} of clock {clock}; end {before} "
                    f"on day {first - 1}",
                )
            elif first > last + 1 and clock == "silence":
                yield finding(
                    "LIFECYCLE_GAP",
                    f"{before}+{after}",
                    f"silence day {int(last) + 1} has no stage; begin {after} there",
                )
        if clock == "silence" and ranges and ranges[-1][1] != float("inf"):
            _, last, stage = ranges[-1]
            yield finding(
                "LIFECYCLE_GAP",
                stage,
                f"silence after day {int(last)} has no stage; leave the to_day of {stage} empty",
            )


def _lint_fresh(
    rows: Sequence[LifecycleStage], finding: Callable[..., Finding]
) -> Iterator[Finding]:
    silence = min(
        (row.from_day for row in rows if row.clock == "silence" and row.from_day is not None),
        default=None,
    )
    for row in rows:
        if row.clock not in {"since_first_order", "since_return"}:
            continue
        if silence is not None and _end(row) >= silence:
            yield finding(
                "LIFECYCLE_FRESH_TOO_LONG",
                row.stage,
                f"{row.stage} lasts to day {row.to_day}, silence begins on day {silence}; end it "
                f"on day {silence - 1} or before",
            )
        if row.clock == "since_return" and not (
            row.after_gap_days is not None and row.after_gap_days > _end(row)
        ):
            yield finding(
                "LIFECYCLE_FRESH_TOO_LONG",
                f"{row.stage}.after_gap_days",
                f"{row.stage} follows a silence of {row.after_gap_days} days and lasts to day "
                f"{row.to_day}; after_gap_days must be greater",
            )


def lint_cuts(cuts: Sequence[FixedCut]) -> Iterator[Finding]:
    """Check every version of the fixed cut points."""
    for version, metric in itertools.product(sorted({row.valid_from for row in cuts}), METRICS):
        rows = sorted(
            (row for row in cuts if (row.valid_from, row.metric) == (version, metric)),
            key=lambda row: row.cut,
        )
        where = f"fixed_score_cuts, valid_from {version}, {metric}"
        if [row.cut for row in rows] != [1, 2, 3, 4]:
            yield Finding(
                "CUTS_INCOMPLETE",
                "error",
                FIXED_CUTS,
                f"{version}.{metric}",
                f"{where}: cuts 1 to 4 are needed once each; complete them",
            )
        elif any(low.value >= high.value for low, high in itertools.pairwise(rows)):
            yield Finding(
                "CUTS_NOT_ASCENDING",
                "error",
                FIXED_CUTS,
                f"{version}.{metric}",
                f"{where}: values must rise from cut 1 to cut 4, or a score is never given",
            )
    for metric in sorted({row.metric for row in cuts} - set(METRICS)):
        yield Finding(
            "UNKNOWN_METRIC",
            "error",
            FIXED_CUTS,
            metric,
            f"fixed_score_cuts: metric {metric} is none of {', '.join(METRICS)}",
        )


def _end(row: LifecycleStage) -> float:
    return float("inf") if row.to_day is None else row.to_day
