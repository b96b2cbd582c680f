"""The rule linter: what can be said about the rules without looking at a single customer.

Here live the checks of the segment rules and the one door to all of them, `lint_rules`. The tables
as values are `orchestration.measures.rule_tables`, the checks of bounds
`orchestration.measures.rule_bounds`; reading the files is `orchestration.rules`. Applying the rules
to customers is the business of the SQL models.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from orchestration.measures.rule_bounds import (
    FIXED_CUTS,
    LIFECYCLE,
    PLACEHOLDERS,
    lint_cuts,
    lint_lifecycle,
    lint_text,
)
from orchestration.measures.rule_tables import (
    AXES,
    CELLS,
    SCORES,
    Cell,
    Finding,
    FixedCut,
    LifecycleStage,
    RuleBook,
    RuleException,
    Segment,
    SegmentRule,
    cell_map,
    cell_name,
    claims,
    rules_in_force,
    version_in_force,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

__all__ = [
    "CELLS",
    "Cell",
    "Finding",
    "FixedCut",
    "LifecycleStage",
    "RuleBook",
    "RuleException",
    "Segment",
    "SegmentRule",
    "cell_map",
    "cell_name",
    "claims",
    "lint_rules",
    "rules_in_force",
    "version_in_force",
]

MAX_SEGMENTS = 8
MIN_SEGMENTS = 3
COARSE_BELOW = 4
CELLS_SHOWN = 12


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
    found += lint_lifecycle(book.lifecycle_stages)
    found += lint_cuts(book.fixed_score_cuts)
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
        yield from lint_text(preset, row.segment, row)
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


def _rule_subject(rule: SegmentRule) -> str:
    return f"{rule.priority}:{rule.segment}"


def _cells_shown(cells: Sequence[Cell]) -> str:
    text = " ".join(cell_name(cell) for cell in cells[:CELLS_SHOWN])
    rest = len(cells) - CELLS_SHOWN
    return f"{text} and {rest} more" if rest > 0 else text


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
