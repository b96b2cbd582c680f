"""What the report says about audiences: whom they reach, whom they share, whom they pass over.

Pure functions over counts; what campaigns brought is said in `report.findings_campaigns`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from orchestration.report import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orchestration.report.queries_audiences import Audiences

    Row: TypeAlias = Mapping[str, Any]

# Judgements that somebody has to look at, the gravest first; the others are folded away.
FLAGGED = ("adverse", "proxy")
MOST_NAMES = 3


def obstacle(audiences: Audiences) -> str:
    """Say in a sentence why there is nothing to tell of audiences; empty if there is."""
    rows = audiences.in_force
    if not rows:
        return "No audience is in force, so nobody is to be written to by these tables."
    many = words.plural(len(rows), "audience is", "audiences are") + " in force"
    counted = [row for row in rows if row["candidates"] is not None]
    if not counted:
        return f"{many}; how many customers they reach is not published."
    described = [row for row in counted if row["candidates"]]
    if not described:
        return f"{many}, and no customer is described by any yet."
    if all(row["with_key"] == 0 for row in described):
        return f"{many}, and no address or number is known of anybody they describe."
    return ""


def names(audiences: Audiences) -> dict[str, str]:
    """Name audiences for people."""
    return {
        row["audience"]: row["name"] or words.label(row["audience"]) for row in audiences.in_force
    }


def named(audience: str | None, known: Mapping[str, str]) -> str:
    """Name an audience; one that is not in force by what the tables call it."""
    return known.get(audience or "") or words.label(audience)


def outcomes(rows: Iterable[Row]) -> list[str]:
    """Name what becomes of candidates, as far as it happens to any; members always."""
    found = list(rows)
    return [
        outcome
        for outcome in words.REACH
        if outcome == "contactable" or any(row[outcome] for row in found)
    ]


def fairness(rows: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """Part what has to be seen from what is without a finding; hidden groups are in neither.

    Returns:
        Groups that are passed over and how segments foretell attributes; all other groups.
    """
    shown = [row for row in rows if row["verdict"] != "hidden"]
    first = [row for row in shown if row["verdict"] in FLAGGED or row["measure"] == "proxy"]
    order = sorted(first, key=lambda row: (row["measure"] == "proxy", row["ratio"] or 0))
    return order, [row for row in shown if row not in first]


def hidden(rows: Sequence[Row], known: Mapping[str, str]) -> dict[str, tuple[int, str]]:
    """Say of each attribute which groups are not told of.

    Args:
        rows: Rows of `fairness_report`.
        known: Names of audiences.

    Returns:
        The number of groups and where they are, per attribute.
    """
    found = {}
    for attribute in dict.fromkeys(row["attribute"] for row in rows):
        parts: dict[str, list[Row]] = {}
        for row in rows:
            if row["attribute"] == attribute and row["measure"] == "selection":
                parts.setdefault(row["subject"], []).append(row)
        told = {subject: _hidden_of(groups) for subject, groups in parts.items()}
        number = sum(row["verdict"] == "hidden" for groups in parts.values() for row in groups)
        places = [
            f"{named(subject, known)} ({groups})" for subject, groups in told.items() if groups
        ]
        if number:
            found[attribute] = number, ", ".join(places)
    return found


def about_audiences(audiences: Audiences) -> list[str]:
    """Say what keeps audiences from their aim, a sentence each."""
    rows = [row for row in audiences.in_force if row["candidates"]]
    return [*_about_floors(rows), *_about_consent(rows), *_about_fairness(audiences)]


def _about_floors(rows: Iterable[Row]) -> list[str]:
    small = [
        f"“{_name(row)}” has {row['contactable']:,} of the {row['minimum_size']:,} it needs"
        for row in rows
        if row["is_served"] is False
    ]
    if not small:
        return []
    many = words.plural(len(small), "audience is", "audiences are")
    return [f"{many} smaller than the destination serves: {_some(small)}."]


def _about_consent(rows: Iterable[Row]) -> list[str]:
    without = [
        f"“{_name(row)}” ({words.percent(row['no_consent'] / row['candidates'])})"
        for row in rows
        if 2 * (row["no_consent"] or 0) > row["candidates"]
    ]
    if not without:
        return []
    many = words.plural(len(without), "audience loses", "audiences lose")
    return [f"For lack of consent, {many} more than half of the candidates: {_some(without)}."]


def _about_fairness(audiences: Audiences) -> list[str]:
    known = names(audiences)
    flagged = [row for row in audiences.fairness if row["verdict"] == "adverse"]
    told = []
    if flagged:
        worst = min(flagged, key=lambda row: (row["ratio"], row["subject"], row["group_name"]))
        told.append(
            f"“{named(worst['subject'], known)}” takes customers of {worst['attribute']}"
            f" {worst['group_name']} {words.times(worst['ratio'])} times as often as the group"
            f" it takes most{_by_chance(worst)}{_as_well(len(flagged) - 1)}."
        )
    told += [
        f"Segments stand in for {row['attribute']}: who knows the segment can guess it"
        f" (Cramér's V {words.times(row['association'])})."
        for row in audiences.fairness
        if row["verdict"] == "proxy"
    ]
    return told


def _as_well(others: int) -> str:
    return f"; {words.plural(others, 'more group is', 'more groups are')} flagged" if others else ""


def _by_chance(row: Row) -> str:
    if row["p_value"] is None:
        return ""
    return f" (chance alone takes as few in {words.percent(row['p_value'])} of cases)"


def _hidden_of(groups: Sequence[Row]) -> str:
    found = [row["group_name"] for row in groups if row["verdict"] == "hidden"]
    return "all" if len(found) == len(groups) else ", ".join(found)


def _name(row: Row) -> str:
    return row["name"] or words.label(row["audience"])


def _some(parts: Sequence[str]) -> str:
    """Join the first few."""
    more = len(parts) - MOST_NAMES
    told = ", ".join(parts[:MOST_NAMES])
    return f"{told} and {more:,} more" if more > 0 else told
