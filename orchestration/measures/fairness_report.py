"""Which groups of people audiences pass over, and whether segments stand in for an attribute.

The formulas are `orchestration.measures.fairness`; here they meet the groups of a customer base,
and small counts are taken out. Customers of whom an attribute is not known belong to no group.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import TYPE_CHECKING, Literal

from orchestration.measures.fairness import (
    Group,
    SelectionRatio,
    hidden_selections,
    proxy,
    selection_ratios,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from orchestration.measures.activation_limits import ActivationLimits

Measure = Literal["selection", "proxy"]
Verdict = Literal["reference", "fair", "adverse", "proxy", "insufficient", "hidden"]
MEASURES: tuple[Measure, ...] = ("selection", "proxy")
VERDICTS: tuple[Verdict, ...] = (
    *("reference", "fair", "adverse", "proxy", "insufficient", "hidden"),
)
ALL_SEGMENTS = "all segments"
ALL_GROUPS = "all"


@dataclass(frozen=True)
class Selection:
    """One row of `fairness_selection`."""

    audience: str
    attribute: str
    group_name: str
    customers: int
    selected: int


@dataclass(frozen=True)
class SegmentGroup:
    """One row of `fairness_segments`."""

    segment: str
    attribute: str
    group_name: str
    customers: int


@dataclass(frozen=True)
class FairnessRow:
    """One row of `fairness_report`.

    Attributes:
        subject: the audience, or all segments.
        customers: people of the group, or all people of shown groups.
        selected: of them, in the audience; None if it must not be shown.
        rate: share that is selected.
        ratio: over the highest rate of the groups.
        association: Cramer's V of segments and groups.
        reduction: share of the errors in guessing the group that knowing the segment spares.
    """

    as_of_date: date
    measure: Measure
    subject: str
    attribute: str
    group_name: str
    customers: int
    verdict: Verdict
    message: str
    selected: int | None = None
    rate: float = nan
    ratio: float = nan
    p_value: float = nan
    association: float = nan
    reduction: float = nan


def fairness_rows(
    as_of_date: date,
    selections: Sequence[Selection],
    segments: Sequence[SegmentGroup],
    limits: ActivationLimits,
) -> list[FairnessRow]:
    """Report on every audience and attribute, and on every attribute over the segments.

    Groups of fewer people than are shown are left out of everything.
    """
    k = int(limits.smallest_shown)
    tables: dict[tuple[str, str], list[Group]] = defaultdict(list)
    for one in selections:
        if one.customers >= k:
            group = Group(one.group_name, one.selected, one.customers)
            tables[one.audience, one.attribute].append(group)
    found = []
    for (audience, attribute), groups in sorted(tables.items()):
        found += list(_selected(as_of_date, audience, attribute, groups, limits))
    for attribute in sorted({one.attribute for one in segments}):
        own = [one for one in segments if one.attribute == attribute]
        found += list(_foretold(as_of_date, attribute, own, limits))
    return found


def _selected(
    as_of_date: date, audience: str, attribute: str, groups: list[Group], limits: ActivationLimits
) -> Iterator[FairnessRow]:
    ratios = selection_ratios(
        groups, fewest=int(limits.fewest_in_group), limit=limits.selection_ratio
    )
    hidden = hidden_selections(groups, int(limits.smallest_shown))
    # A ratio to a rate that is not shown would give the rate away.
    has_reference = any(
        one.verdict == "reference" and one.group.name not in hidden for one in ratios
    )
    for one in ratios:
        row = FairnessRow(
            as_of_date,
            "selection",
            audience,
            attribute,
            one.group.name,
            one.group.total,
            one.verdict,
            _told(one, limits),
            selected=one.group.selected,
            rate=one.group.rate,
        )
        if one.group.name in hidden or not (has_reference or one.verdict == "insufficient"):
            few = f"Fewer than {limits.smallest_shown} people would be told of."
            row = replace(row, selected=None, rate=nan, verdict="hidden", message=few)
        else:
            row = replace(row, ratio=one.ratio, p_value=one.p_value)
        yield row


def _told(one: SelectionRatio, limits: ActivationLimits) -> str:
    if one.verdict == "insufficient":
        return f"The group has fewer than {limits.fewest_in_group} people and is not judged."
    rate = f"{one.group.rate:.2%} of the group are selected"
    if one.verdict == "reference":
        return f"{rate}, the most of all groups."
    chance = ""
    if isfinite(one.p_value):
        chance = f"; as few or fewer come by chance with a probability of {one.p_value:.2g}"
    verb = "less" if one.verdict == "adverse" else "not less"
    return (
        f"{rate}, {one.ratio:.2f} times the highest rate: {verb} than"
        f" {limits.selection_ratio:.2f}{chance}."
    )


def _foretold(
    as_of_date: date, attribute: str, cells: Sequence[SegmentGroup], limits: ActivationLimits
) -> Iterator[FairnessRow]:
    sizes: dict[str, int] = defaultdict(int)
    for one in cells:
        sizes[one.group_name] += one.customers
    columns = sorted(name for name, size in sizes.items() if size >= limits.smallest_shown)
    rows = sorted({one.segment for one in cells})
    counts = {(one.segment, one.group_name): one.customers for one in cells}
    if not columns:
        return
    table = [[counts.get((row, column), 0) for column in columns] for row in rows]
    found = proxy(table, fewest=int(limits.fewest_in_group))
    verdict: Verdict = "insufficient"
    told = "There are too few people or groups to tell."
    if found.is_sufficient:
        is_proxy = found.cramers_v >= limits.proxy_association
        verdict = "proxy" if is_proxy else "fair"
        told = (
            f"Cramer's V is {found.cramers_v:.2f}, and knowing the segment spares"
            f" {found.reduction:.0%} of the errors in guessing the group: segments"
            f" {'stand' if is_proxy else 'do not stand'} in for it."
        )
    yield FairnessRow(
        as_of_date,
        "proxy",
        ALL_SEGMENTS,
        attribute,
        ALL_GROUPS,
        sum(map(sum, table)),
        verdict,
        told,
        p_value=found.test.p_value if found.is_sufficient else nan,
        association=found.cramers_v if found.is_sufficient else nan,
        reduction=found.reduction if found.is_sufficient else nan,
    )
