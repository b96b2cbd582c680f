"""Results of checks as short tables in words, for people who look at a run.

The words of a single result are made in `orchestration.measures.checks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestration.measures.checks import Result
    from orchestration.measures.segment_usefulness import SegmentVerdict


# A result, or a row of the table of results.
Judged = TypeVar("Judged")
# Dagster shows a longer text only behind a link.
MOST_CHARACTERS = 999
SCOPES = ("publication", "activation", "audience", "none")
MARKS = {"pass": "yes", "warn": "hardly", "fail": "**no**", "unknown": "?"}


def worst_first(results: Iterable[Judged]) -> list[Judged]:
    """Order results so that what holds the night back stands first, then what is nearest to it."""
    return sorted(results, key=_badness)


def checks_table(results: Sequence[Result]) -> str:
    """Show what is not well, one line per check and subject; what is well is only counted."""
    lines = [
        f"| {_words(result.status)} | {result.title} | {_cell(result.subject)} |"
        f" {_cell(result.message)} |"
        for result in worst_first(results)
        if result.status != "pass"
    ]
    well = f"{sum(result.status == 'pass' for result in results)} of {len(results)} are well."
    header = ["| | check | of | |", "|:--|:--|:--|:--|"] if lines else []
    return _short(header, lines, well)


def subjects_table(results: Sequence[Result]) -> str:
    """Show the subjects of one check with their limits, the worst first."""
    lines = [
        f"| {_cell(result.subject)} | {_number(result.value)} | {_number(result.warn_threshold)} |"
        f" {_number(result.error_threshold)} | {_words(result.status)} |"
        for result in worst_first(results)
    ]
    return _short(["| | value | warns | error | |", "|:--|--:|--:|--:|:--|"], lines)


def usefulness_table(verdicts: Sequence[SegmentVerdict]) -> str:
    """Show which segment meets which criterion."""
    criteria = list(dict.fromkeys(verdict.criterion for verdict in verdicts))
    segments = list(dict.fromkeys(verdict.segment for verdict in verdicts))
    found = {(verdict.segment, verdict.criterion): verdict.verdict for verdict in verdicts}
    lines = [f"| segment | {' | '.join(criteria)} |", f"|:--{'|:--' * len(criteria)}|"]
    for segment in segments:
        marks = (MARKS[found.get((segment, criterion), "unknown")] for criterion in criteria)
        lines.append(f"| {segment} | {' | '.join(marks)} |")
    return "\n".join(lines)


def _short(header: list[str], lines: list[str], last: str = "") -> str:
    """Put as many lines of a table together as are shown at once, and say how many are not."""
    for shown in range(len(lines), -1, -1):
        rest = f"{len(lines) - shown} more are not shown." if shown < len(lines) else ""
        below = " ".join(part for part in (rest, last) if part)
        parts = [*header, *lines[:shown], *([""] if header and below else []), below]
        text = "\n".join(parts).rstrip()
        if len(text) <= MOST_CHARACTERS:
            break
    return text


def _badness(result: Any) -> tuple[int, int, float, str, str]:
    is_mute = result.status == "insufficient_data"
    order = {"error": 0, "warn": 2, "insufficient_data": 3, "pass": 4}
    rank = 1 if is_mute and result.is_required else order[result.status]
    scope = SCOPES.index(result.blocks)
    return rank, scope, -_share_of_limit(result), result.check_id, result.subject


def _share_of_limit(result: Any) -> float:
    """How far a value is on its way to its nearest limit; without a limit not at all."""
    limit = result.error_threshold if result.warn_threshold is None else result.warn_threshold
    if result.value is None or not limit:
        return 0.0
    return abs(result.value) / abs(limit)


def _words(status: str) -> str:
    return status.replace("_", " ")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}"


def _cell(text: str) -> str:
    return text.replace("|", "/")
