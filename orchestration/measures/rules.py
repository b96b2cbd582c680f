"""The rule linter: what can be said about segment rules without looking at a single customer.

Here live the rows of the rule tables as values, the map from scores to segments that they mean,
and the checks on it. Reading the files is `orchestration/rules.py`; applying the rules to customers
is the business of the SQL models. Nothing here knows Dagster, a database or a file.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import date
    from decimal import Decimal

Cell: TypeAlias = tuple[int, int, int]

SCORES = range(1, 6)
CELLS: tuple[Cell, ...] = tuple(itertools.product(SCORES, SCORES, SCORES))
AXES = ("R", "F", "M")
CLOCKS = ("no_order", "since_first_order", "silence", "since_return", "otherwise")
METRICS = ("recency", "frequency", "monetary")
MAX_SEGMENTS = 8
MIN_SEGMENTS = 3
COARSE_BELOW = 4
LIFECYCLE = "lifecycle"
FIXED_CUTS = "fixed_score_cuts"
PLACEHOLDERS = frozenset({"", "-", "?", "n/a", "na", "none", "tbd", "todo", "xxx"})
CELLS_SHOWN = 12


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
    """One row of `segments`: what a segment is for."""

    preset: str
    segment: str
    rank: int
    label: str
    description: str
    purpose: str
    action: str
    channel: str


@dataclass(frozen=True)
class LifecycleStage:
    """One row of `lifecycle_stages`; None where the bound is open or has no meaning."""

    valid_from: date
    stage: str
    clock: str
    from_day: int | None
    to_day: int | None
    after_gap_days: int | None
    label: str
    purpose: str
    action: str
    channel: str


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


def lint_rules(book: RuleBook, presets: Sequence[str] | None = None) -> list[Finding]:
    """Check the rules and return what is wrong, except what an exception accepts.

    Args:
        book: the rule tables.
        presets: maps to look at; all of them when not given.

    Returns:
        The findings, errors first.
    """
    wanted = list(dict.fromkeys(presets or [rule.preset for rule in book.segment_rules]))
    found: list[Finding] = []
    for preset in wanted:
        found += _lint_preset(book, preset)
    found += _lint_lifecycle(book.lifecycle_stages)
    found += _lint_cuts(book.fixed_score_cuts)
    scope = {*wanted, LIFECYCLE, FIXED_CUTS} if presets else None
    kept = _without_accepted(found, book.exceptions, scope)
    return sorted(kept, key=lambda finding: finding.severity != "error")


def _lint_preset(book: RuleBook, preset: str) -> Iterator[Finding]:
    rules = [rule for rule in book.segment_rules if rule.preset == preset]
    segments = [row for row in book.segments if row.preset == preset]
    if not rules:
        yield Finding(
            "UNKNOWN_PRESET",
            "error",
            preset,
            preset,
            f"preset {preset} has no rules; add rows to segment_rules or choose another preset",
        )
        return
    yield from _lint_segments(preset, segments, rules)
    ranks = {row.segment: row.rank for row in segments}
    for version in sorted({rule.valid_from for rule in rules}):
        yield from _lint_version(
            preset, version, [rule for rule in rules if rule.valid_from == version], ranks
        )


def _lint_segments(
    preset: str, segments: Sequence[Segment], rules: Sequence[SegmentRule]
) -> Iterator[Finding]:
    named = {row.segment for row in segments}
    used = {rule.segment for rule in rules}
    for segment in sorted(used - named):
        yield Finding(
            "UNKNOWN_SEGMENT",
            "error",
            preset,
            segment,
            f"preset {preset}: a rule gives {segment}, which segments does not describe; add its "
            "row or correct the name",
        )
    for segment in sorted(named - used):
        yield Finding(
            "UNUSED_SEGMENT",
            "warn",
            preset,
            segment,
            f"preset {preset}: no rule gives {segment}; add a rule or remove its row",
        )
    for segment in sorted(_repeated(row.segment for row in segments)):
        yield Finding(
            "DUPLICATE_SEGMENT",
            "error",
            preset,
            segment,
            f"preset {preset}: {segment} is described more than once; keep one row",
        )
    for row in segments:
        yield from _lint_text(preset, row.segment, row)
    by_action = defaultdict(list)
    for row in segments:
        by_action[" ".join(row.action.lower().split()).rstrip(".")].append(row.segment)
    for action, names in by_action.items():
        if len(names) > 1 and action not in PLACEHOLDERS:
            yield Finding(
                "SAME_ACTION",
                "warn",
                preset,
                "+".join(sorted(names)),
                f"preset {preset}: {' and '.join(sorted(names))} share one action; give each its "
                "own or merge them",
            )


def _lint_text(preset: str, name: str, row: Segment | LifecycleStage) -> Iterator[Finding]:
    for field in ("purpose", "action", "channel"):
        text = str(getattr(row, field)).strip()
        if text.lower().rstrip(".") in PLACEHOLDERS:
            yield Finding(
                "MISSING_TEXT",
                "error",
                preset,
                f"{name}.{field}",
                f"preset {preset}: {name} has no {field}; say it, or the group changes nothing",
            )
        elif field != "channel" and len(text.split()) < 3:
            yield Finding(
                "VAGUE_TEXT",
                "warn",
                preset,
                f"{name}.{field}",
                f"preset {preset}: the {field} of {name} is too short to act on; say what is done "
                "or decided",
            )


def _lint_version(
    preset: str, version: date, rules: Sequence[SegmentRule], ranks: Mapping[str, int]
) -> Iterator[Finding]:
    where = f"preset {preset}, valid_from {version}"
    sound = []
    for rule in rules:
        wrong = _bad_axes(rule)
        if not wrong:
            sound.append(rule)
            continue
        yield Finding(
            "BAD_RANGE",
            "error",
            preset,
            _rule_subject(rule),
            f"{where}, rule {rule.priority} ({rule.segment}): {', '.join(wrong)} is not a range "
            "within 1 to 5; correct its bounds",
        )
    holding = claims(sound)
    yield from _gaps(preset, where, version, holding)
    yield from _overlaps(preset, where, sound)
    yield from _never_first(preset, where, sound, holding)
    yield from _counts(preset, where, rules)
    yield from _steps_down(preset, where, holding, ranks)


def _bad_axes(rule: SegmentRule) -> list[str]:
    return [
        f"{axis} {low}-{high}"
        for axis, (low, high) in zip(AXES, rule.bounds, strict=True)
        if not SCORES.start <= low <= high < SCORES.stop
    ]


def _gaps(
    preset: str, where: str, version: date, holding: Mapping[Cell, Sequence[SegmentRule]]
) -> Iterator[Finding]:
    empty = [cell for cell, rules in holding.items() if not rules]
    if empty:
        yield Finding(
            "RULE_GAP",
            "error",
            preset,
            version.isoformat(),
            f"{where}: {len(empty)} of {len(CELLS)} score cells have no rule: "
            f"{_cells_shown(empty)}; widen a rule or add a last rule for the rest",
        )


def _overlaps(preset: str, where: str, rules: Sequence[SegmentRule]) -> Iterator[Finding]:
    for first, second in itertools.combinations(rules, 2):
        if first.priority != second.priority:
            continue
        shared = [cell for cell in CELLS if first.holds(cell) and second.holds(cell)]
        if shared:
            yield Finding(
                "RULE_OVERLAP",
                "error",
                preset,
                f"{first.priority}:" + "+".join(sorted((first.segment, second.segment))),
                f"{where}: two rules of priority {first.priority} ({first.segment} and "
                f"{second.segment}) both claim {_cells_shown(shared)}; give them different "
                "priorities or separate their ranges",
            )


def _never_first(
    preset: str,
    where: str,
    rules: Sequence[SegmentRule],
    holding: Mapping[Cell, Sequence[SegmentRule]],
) -> Iterator[Finding]:
    for rule in rules:
        cells = [cell for cell in CELLS if rule.holds(cell)]
        earlier = [other for other in rules if other.priority < rule.priority]
        # An equal priority is an overlap of its own, and decides nothing here.
        if any(holding[cell][0].priority == rule.priority for cell in cells):
            continue
        over = next((other for other in earlier if all(map(other.holds, cells))), None)
        if over is not None:
            yield Finding(
                "RULE_SHADOWED",
                "error",
                preset,
                _rule_subject(rule),
                f"{where}: rule {rule.priority} ({rule.segment}) never applies, rule "
                f"{over.priority} ({over.segment}) holds all its cells, such as "
                f"{cell_name(cells[0])}; move it before {over.priority} or remove it",
            )
        else:
            takers = sorted({holding[cell][0].priority for cell in cells})
            yield Finding(
                "RULE_UNREACHABLE",
                "error",
                preset,
                _rule_subject(rule),
                f"{where}: rule {rule.priority} ({rule.segment}) never applies, rules "
                f"{', '.join(map(str, takers))} together take all its cells, such as "
                f"{cell_name(cells[0])}; move it forward or remove it",
            )


def _counts(preset: str, where: str, rules: Sequence[SegmentRule]) -> Iterator[Finding]:
    count = len({rule.segment for rule in rules})
    if MIN_SEGMENTS <= count <= MAX_SEGMENTS and count >= COARSE_BELOW:
        return
    bad = not MIN_SEGMENTS <= count <= MAX_SEGMENTS
    remedy = "merge some" if count > MAX_SEGMENTS else "split one that deserves its own action"
    yield Finding(
        "SEGMENT_COUNT",
        "error" if bad else "warn",
        preset,
        str(count),
        f"{where}: {count} segments; {MIN_SEGMENTS} to {MAX_SEGMENTS} can be run, fewer than "
        f"{COARSE_BELOW} are coarse; {remedy}",
    )


def _steps_down(
    preset: str,
    where: str,
    holding: Mapping[Cell, Sequence[SegmentRule]],
    ranks: Mapping[str, int],
) -> Iterator[Finding]:
    """Cells where one score more leads to a segment of lower rank, by pair of segments."""
    steps: dict[tuple[str, str], list[tuple[Cell, Cell]]] = defaultdict(list)
    for cell, axis in itertools.product(CELLS, range(3)):
        better = _raised(cell, axis)
        if better not in holding or not holding[cell] or not holding[better]:
            continue
        worse, gained = holding[cell][0].segment, holding[better][0].segment
        if worse in ranks and gained in ranks and ranks[gained] < ranks[worse]:
            steps[worse, gained].append((cell, better))
    for (before, after), pairs in sorted(steps.items()):
        cell, better = pairs[0]
        yield Finding(
            "NOT_MONOTONE",
            "error",
            preset,
            f"{before}>{after}",
            f"{where}: a better score gives a worse segment in {len(pairs)} places, such as "
            f"{cell_name(cell)} {before} (rank {ranks[before]}, rule "
            f"{holding[cell][0].priority}) to {cell_name(better)} {after} (rank {ranks[after]}, "
            f"rule {holding[better][0].priority}); change a range or the ranks",
        )


def _lint_lifecycle(stages: Sequence[LifecycleStage]) -> Iterator[Finding]:
    for version in sorted({row.valid_from for row in stages}):
        rows = [row for row in stages if row.valid_from == version]

        def finding(
            check: str, subject: str, text: str, where: str = f"lifecycle, valid_from {version}"
        ) -> Finding:
            return Finding(check, "error", LIFECYCLE, subject, f"{where}: {text}")

        for row in rows:
            yield from _lint_text(LIFECYCLE, row.stage, row)
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
            (row for row in rows if row.clock == clock and row.from_day is not None),
            key=lambda row: (row.from_day, _end(row)),
        )
        for first, second in itertools.pairwise(ranges):
            assert second.from_day is not None  # noqa: S101 - the filter above says so
            if second.from_day <= _end(first):
                yield finding(
                    "LIFECYCLE_OVERLAP",
                    f"{first.stage}+{second.stage}",
                    f"{first.stage} and {second.stage} both hold day {second.from_day} of clock "
                    f"{clock}; end {first.stage} on day {second.from_day - 1}",
                )
            elif second.from_day > _end(first) + 1 and clock == "silence":
                yield finding(
                    "LIFECYCLE_GAP",
                    f"{first.stage}+{second.stage}",
                    f"silence day {int(_end(first)) + 1} has no stage; begin {second.stage} there",
                )
        if clock == "silence" and ranges and ranges[-1].to_day is not None:
            yield finding(
                "LIFECYCLE_GAP",
                ranges[-1].stage,
                f"silence after day {ranges[-1].to_day} has no stage; leave the to_day of "
                f"{ranges[-1].stage} empty",
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


def _lint_cuts(cuts: Sequence[FixedCut]) -> Iterator[Finding]:
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


def _without_accepted(
    found: Sequence[Finding], exceptions: Sequence[RuleException], scope: set[str] | None
) -> list[Finding]:
    accepted = {(row.preset, row.check, row.subject) for row in exceptions if row.reason.strip()}
    kept = [one for one in found if (one.preset, one.check, one.subject) not in accepted]
    matched = {(one.preset, one.check, one.subject) for one in found}
    for row in exceptions:
        if scope is not None and row.preset not in scope:
            continue
        if not row.reason.strip():
            kept.append(
                Finding(
                    "MISSING_TEXT",
                    "error",
                    row.preset,
                    f"{row.check}:{row.subject}.reason",
                    f"the exception for {row.check} {row.subject} of {row.preset} gives no reason; "
                    "it is not applied",
                )
            )
        if (row.preset, row.check, row.subject) not in matched:
            kept.append(
                Finding(
                    "EXCEPTION_UNUSED",
                    "warn",
                    row.preset,
                    f"{row.check}:{row.subject}",
                    f"the exception for {row.check} {row.subject} of {row.preset} matches no "
                    "finding; remove it or correct its subject",
                )
            )
    return kept


def _raised(cell: Cell, axis: int) -> Cell:
    r, f, m = (score + (place == axis) for place, score in enumerate(cell))
    return r, f, m


def _end(row: LifecycleStage) -> float:
    return float("inf") if row.to_day is None else row.to_day


def _rule_subject(rule: SegmentRule) -> str:
    return f"{rule.priority}:{rule.segment}"


def _cells_shown(cells: Sequence[Cell]) -> str:
    text = " ".join(cell_name(cell) for cell in cells[:CELLS_SHOWN])
    rest = len(cells) - CELLS_SHOWN
    return f"{text} and {rest} more" if rest > 0 else text


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
