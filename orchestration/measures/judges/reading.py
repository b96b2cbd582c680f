"""Numbers out of the rows of aggregates, and phrases that several checks share."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestration.measures.checks import Limits, Measurement, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from numpy.typing import NDArray

    from orchestration.measures.checks import Definition
    from orchestration.measures.night import Night


def number(row: Mapping[str, Any], column: str) -> float | None:
    """Return a cell as a float, None for NULL."""
    value = row[column]
    return None if value is None else float(value)


def total(rows: Iterable[Mapping[str, Any]], column: str) -> float | None:
    """Add up a column; a NULL in it makes the sum unknown."""
    numbers = [number(row, column) for row in rows]
    return None if None in numbers else float(sum(one or 0 for one in numbers))


def whole(value: float | None) -> int | None:
    """Return a count as an integer, None where it is unknown."""
    return None if value is None or not np.isfinite(value) else int(value)


def grouped(
    rows: Iterable[Mapping[str, Any]], *columns: str
) -> dict[tuple[Any, ...], list[Mapping[str, Any]]]:
    """Put rows with the same key together, keys in order."""
    found: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        found[tuple(row[column] for column in columns)].append(row)
    return dict(sorted(found.items()))


def insufficient(subject: str, says: str, **known: Any) -> Measurement:
    """Say of one subject that there is too little to judge."""
    return Measurement(subject, None, is_sufficient=False, says=says, **known)


def matrices(
    rows: Sequence[Mapping[str, Any]], horizon_days: int
) -> tuple[list[str], dict[int, NDArray[Any]]]:
    """Turn rows of `quality_transitions` into matrices.

    Args:
        rows: all rows of the table.
        horizon_days: length of the blocks.

    Returns:
        The segments in order, and by block the customers, shape (segments, segments), rows are
        start segments.
    """
    own = [row for row in rows if int(row["horizon_days"]) == horizon_days]
    segments = sorted({str(row[end]) for row in own for end in ("from_segment", "to_segment")})
    place = {segment: at for at, segment in enumerate(segments)}
    found: dict[int, NDArray[Any]] = {}
    for row in own:
        block = found.setdefault(int(row["block"]), np.zeros((len(segments), len(segments))))
        block[place[row["from_segment"]], place[row["to_segment"]]] += float(row["customers"])
    return segments, found


def recut(night: Night, horizon_days: int, block: int) -> bool:
    """Whether a scorecard took effect within a block of days that ends on the as-of date or before.

    Args:
        night: the night.
        horizon_days: length of the blocks.
        block: how many blocks before the newest.
    """
    end = night.as_of_date - timedelta(days=horizon_days * block)
    return bool(night.scorecards_since(end - timedelta(days=horizon_days), end))


def spared_by_scorecard(
    night: Night, definition: Definition, since: date
) -> tuple[Limits | None, str]:
    """Ease a check on days on which a scheduled scorecard took effect.

    Args:
        night: the night.
        definition: the check; with its parameter `scorecard_warns` it still warns, with 0 the
            scorecard explains everything.
        since: eve of what is judged.

    Returns:
        The limits that are left and a phrase that says so, or nothing.
    """
    names = night.scorecards_since(since)
    if not names:
        return None, ""
    warn = definition.warn if definition.parameters["scorecard_warns"] else None
    told = f", while the cut points of {names[-1]} took effect as scheduled"
    return Limits(warn, None), told


def spared_by_youth(night: Night, definition: Definition) -> bool:
    """Whether the shop is younger than the check asks for."""
    return night.history_days < definition.parameters["min_history_days"]


def more_or_less(ratio: float) -> str:
    """Say a relative deviation: 12 % more, 30 % fewer, neither more nor fewer."""
    if abs(ratio) < 0.0005:
        return "neither more nor fewer"
    return f"{written(abs(ratio), 'share')} {'more' if ratio >= 0 else 'fewer'}"
