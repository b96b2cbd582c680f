"""What the report says about the rows in words, and the tables it makes of them.

Pure functions; how a number is written is decided in `report.words`, how it looks by the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeAlias

from orchestration.report import findings_audiences, findings_campaigns, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date

    from orchestration.report.queries import Contents
    from orchestration.report.segments import Segments

    Row: TypeAlias = Mapping[str, Any]
    Money: TypeAlias = Callable[[Any], str]

WORST_FIRST = ("error", "warn", "insufficient_data", "pass")


@dataclass(frozen=True)
class Holder:
    """A check or brake that refused newer tables: its names, what it found, what to do."""

    name: str
    title: str
    messages: tuple[str, ...]
    remedy: str


@dataclass(frozen=True)
class Cell:
    """A cell of the matrix of moves: customers, and their share of the segment they began in."""

    customers: int
    share: float
    is_stay: bool


@dataclass(frozen=True)
class Advice:
    """What to do about one or several segments that do not meet a criterion."""

    verdict: str
    criterion: str
    text: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Night:
    """A judged day: its worst status and how many results had each."""

    as_of_date: date
    status: str
    told: str


def verdict(status: Row) -> tuple[str, str]:
    """Tell in words how good the tables are.

    Returns:
        A status (pass, warn, error or unknown) for the colour, and the words.
    """
    approved = status.get("approved_checks")
    match status.get("verdict"):
        case "pass":
            return "pass", "All checks passed"
        case "warn":
            return "warn", "Checked: usable, with warnings"
        case "approved" if approved:
            names = ", ".join(words.label(name) for name in _names(approved))
            return "warn", f"Checked: problems accepted by a person ({names})"
        case "approved":
            return "warn", "Checked: usable, with problems that do not hold tables back"
        case _:
            return "unknown", "Not checked: this file does not say how good it is"


def is_rollback(status: Row) -> bool:
    """Tell whether a person put the tables back, rather than a check refused newer ones."""
    return status.get("held_by") == "rollback"


def held_messages(status: Row, checks: Iterable[Row]) -> list[str]:
    """Name the checks whose problems hold messages to customers back; accepted ones do not."""
    accepted = set(_names(status.get("approved_checks")))
    titles = [
        row["title"] or words.label(row["check_name"])
        for row in checks
        if row["status"] == "error"
        and row["blocks"] in {"activation", "publication"}
        and not accepted & {row["check_id"], row["check_name"]}
    ]
    return list(dict.fromkeys(titles))


def subject(name: str | None, segments: Segments) -> str:
    """Name what a check looked at; a segment by its label."""
    return segments[name].label if segments.place(name) < len(segments) else words.label(name)


def holders(status: Row, checks: Iterable[Row]) -> list[Holder]:
    """Name what refused the newer tables, what to do, and what it found on the refused day."""
    rows = list(checks)
    named = []
    for name in _names(status.get("held_by")):
        known = [row for row in rows if name in {row["check_name"], row["check_id"]}]
        found = [
            row["message"]
            for row in known
            if row["as_of_date"] == status.get("held_as_of") and row["status"] != "pass"
        ]
        named.append(
            Holder(
                name=name,
                title=(known[0]["title"] if known else "") or words.label(name),
                messages=tuple(message for message in found if message),
                remedy=(known[0]["remedy"] if known else "") or "",
            )
        )
    return named


def headlines(contents: Contents, segments: Segments, money: Money) -> list[str]:
    """Say the most important things in a sentence each; nothing where nothing is known."""
    told = [
        *_about_worth(contents, segments),
        *_about_revenue(contents, money),
        *_about_movement(contents),
        *_about_next_week(contents, segments, money),
        *_about_activation(contents, money),
    ]
    problems = sum(row["status"] in {"error", "warn"} for row in contents.checks)
    if contents.checks:
        told.append(
            f"{problems} of {len(contents.checks)} check results need a look."
            if problems
            else f"All {len(contents.checks)} check results are without a finding."
        )
    return told


def worst_first(checks: Iterable[Row]) -> dict[str, list[Row]]:
    """Sort check results into statuses, problems first; the order within one stays."""
    rows = list(checks)
    known = {status: [row for row in rows if row["status"] == status] for status in WORST_FIRST}
    return {status: found for status, found in known.items() if found}


def nights(counts: Sequence[Row]) -> list[Night]:
    """Make one entry per judged day of the numbers of results per status."""
    found = []
    for as_of_date, group in groupby(counts, key=lambda row: row["as_of_date"]):
        by_status = {row["status"]: row["results"] for row in group}
        worst = next((status for status in WORST_FIRST if by_status.get(status)), "pass")
        # A check that cannot tell yet is no reason to call a night anything but fine.
        shown = "pass" if worst == "insufficient_data" else worst
        told = ", ".join(
            f"{words.STATUSES[status].lower()}: {by_status[status]}"
            for status in WORST_FIRST
            if by_status.get(status)
        )
        found.append(Night(as_of_date, shown, told))
    return found


def moves(migrations: Iterable[Row]) -> list[dict[str, Any]]:
    """Add up the causes of every move between two different segments, the largest first."""
    pairs: dict[tuple[str, str], dict[str, Any]] = {}
    for row in migrations:
        start, end = row["from_segment"], row["to_segment"]
        if start is None or end is None or start == end:
            continue
        pair = pairs.setdefault(
            (start, end),
            {"from_segment": start, "to_segment": end, "customers": 0, "monetary": 0},
        )
        pair["customers"] += row["customers"]
        pair["monetary"] += row["monetary"] or 0
    return sorted(
        (pair for pair in pairs.values() if pair["customers"]),
        key=lambda pair: (-pair["customers"], pair["from_segment"], pair["to_segment"]),
    )


def matrix(migrations: Iterable[Row], segments: Segments) -> dict[str, dict[str, Cell]]:
    """Lay moves and stays out as from segment, then to segment, both from the best to the worst."""
    sums: dict[tuple[str, str], int] = {}
    for row in migrations:
        start, end = row["from_segment"], row["to_segment"]
        if start is not None and end is not None:
            sums[start, end] = sums.get((start, end), 0) + row["customers"]
    names = sorted({name for pair in sums for name in pair}, key=segments.place)
    sizes = {name: sum(sums.get((name, end), 0) for end in names) for name in names}
    return {
        start: {
            end: Cell(
                customers=sums.get((start, end), 0),
                share=sums.get((start, end), 0) / sizes[start],
                is_stay=start == end,
            )
            for end in names
        }
        for start in names
        if sizes[start]
    }


def by_day(rows: Iterable[Row], day: str, value: str) -> dict[date, dict[str, Any]]:
    """Lay values out as day, newest first, then segment."""
    found: dict[date, dict[str, Any]] = {}
    for row in rows:
        found.setdefault(row[day], {})[row["segment"]] = row[value]
    return dict(sorted(found.items(), reverse=True))


def usefulness(verdicts: Iterable[Row], segments: Segments) -> dict[str, dict[str, Row]]:
    """Lay verdicts out as segment, then criterion in the order of the glossary."""
    rows = list(verdicts)
    there = {row["criterion"] for row in rows}
    criteria = [
        *(name for name in words.CRITERIA if name in there),
        *sorted(there - {*words.CRITERIA}),
    ]
    return {
        segment: {
            criterion: next(
                (
                    row
                    for row in rows
                    if row["segment"] == segment and row["criterion"] == criterion
                ),
                dict.fromkeys(("criterion", "value", "threshold", "advice"))
                | {"verdict": "unknown"},
            )
            for criterion in criteria
        }
        for segment in sorted({row["segment"] for row in rows}, key=segments.place)
    }


def usefulness_number(row: Row) -> str:
    """Write the number behind a verdict where it says something to people."""
    value, limit = row["value"], row["threshold"]
    if value is None or limit is None:
        return ""
    match row["criterion"]:
        case "substantial" | "accessible":
            return f"{words.count(value)} customers, {words.count(limit)} wanted"
        case "homogeneous":
            return f"{words.percent(value)} of the spread of all, {words.percent(limit)} allowed"
        case "stable":
            return f"{words.percent(value)} in a week, {words.percent(limit)} allowed"
        case _:
            return ""


def advice(verdicts: Iterable[Row], segments: Segments) -> list[Advice]:
    """Gather what to do about the segments, the same advice for several of them once."""
    gathered: dict[tuple[str, str, str], list[str]] = {}
    rows = [row for row in verdicts if row["verdict"] != "pass" and row["advice"]]
    for row in sorted(rows, key=lambda row: segments.place(row["segment"])):
        key = (row["verdict"], row["criterion"], row["advice"])
        gathered.setdefault(key, []).append(segments[row["segment"]].label)
    order = ("fail", "warn")
    return [
        Advice(verdict, criterion, text, tuple(labels))
        for (verdict, criterion, text), labels in sorted(
            gathered.items(),
            key=lambda item: order.index(item[0][0]) if item[0][0] in order else len(order),
        )
    ]


def last_month(performance: Sequence[Row], segments: Segments) -> list[Row]:
    """Choose the newest complete month, or the running one if there is no other; `all` last."""
    complete = [row for row in performance if row["is_complete"]] or performance
    newest = max((row["period_start"] for row in complete), default=None)
    rows = [row for row in complete if row["period_start"] == newest]
    return sorted(rows, key=lambda row: (row["segment"] == "all", segments.place(row["segment"])))


def newest_complete(movement: Sequence[Row]) -> Row | None:
    """Choose the period whose moves are shown: as the query of migrations does."""
    complete = [row for row in movement if row["is_complete"]] or movement
    return complete[-1] if complete else None


def direction(start: str, end: str, segments: Segments) -> str:
    """Tell whether a move leads to a better or a worse segment."""
    return "up" if segments.place(end) < segments.place(start) else "down"


def _about_worth(contents: Contents, segments: Segments) -> list[str]:
    everybody = sum(row["customers"] for row in contents.sizes)
    everything = sum(row["monetary"] or 0 for row in contents.sizes)
    if not everybody or everything <= 0:
        return []
    best = max(contents.sizes, key=lambda row: row["monetary"] or 0)
    told = (
        f"“{segments[best['segment']].label}” is {words.percent(best['customers'] / everybody)} of"
        f" your customers and {words.percent(best['monetary'] / everything)} of what they spent."
    )
    return [told]


def _about_revenue(contents: Contents, money: Money) -> list[str]:
    revenue, before = contents.revenue.get("revenue"), contents.revenue.get("revenue_before")
    if revenue is None:
        return []
    told = f"The last 28 days brought {money(revenue)}"
    if not before or before < 0:
        return [f"{told}."]
    change = revenue / before - 1
    word = "more" if change >= 0 else "less"
    return [f"{told}, {words.percent(abs(change))} {word} than the 28 days before."]


def _about_movement(contents: Contents) -> list[str]:
    period = newest_complete(contents.movement)
    if period is None or not period["customers_moved"]:
        return []
    moved = period["customers_moved"]
    by_definition = sum(period[f"moved_{cause}"] or 0 for cause in words.DEFINITION_CAUSES)
    when = (
        f"In {words.month(period['period_start'])},"
        if period["period"] == "month"
        else f"In the week from {words.day(period['period_start'])},"
    )
    told = f"{when} {words.percent(period['share_moved'])} of customers changed segment"
    if by_definition:
        share = words.percent(by_definition / moved)
        why = "only because limits or rules were renewed, not because of what customers did"
        return [f"{told}; {share} of these moves happened {why}."]
    ordered = words.percent((period["moved_bought"] or 0) / moved)
    return [f"{told}, {ordered} of them by ordering. Neither limits nor rules moved."]


def _about_next_week(contents: Contents, segments: Segments, money: Money) -> list[str]:
    down = [
        row
        for row in contents.next_week
        if direction(row["segment"], row["next_segment"], segments) == "down"
    ]
    if not down:
        return []
    customers = sum(row["customers"] for row in down)
    at_stake = sum(row["monetary"] or 0 for row in down)
    who = f"{words.plural(customers, 'customer', 'customers')} with {money(at_stake)}"
    return [f"{who} slip to a lower segment within a week unless they order."]


def _about_activation(contents: Contents, money: Money) -> list[str]:
    if findings_audiences.obstacle(contents.audiences):
        return []
    return [
        *findings_audiences.about_audiences(contents.audiences),
        *findings_campaigns.about_campaigns(contents.audiences, money),
    ]


def _names(text: str | None) -> list[str]:
    return (text or "").replace(",", " ").split()
