"""Are the segments worth having: large enough, unlike each other, read lately, with an aim.

What their customers did afterwards is judged in `orchestration.measures.judges.outcomes`; what
follows for a single segment is said in `orchestration.measures.segment_usefulness`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from orchestration.measures.checks import Limits, Measurement, written
from orchestration.measures.judges.reading import (
    grouped,
    insufficient,
    spared_by_youth,
    total,
)
from orchestration.measures.moments import eta_squared
from orchestration.measures.rule_bounds import PLACEHOLDERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestration.measures.checks import Definition
    from orchestration.measures.night import Night


def min_size(night: Night, definition: Definition) -> list[Measurement]:
    """C40: customers of a segment."""
    sizes = _sizes(night)
    everybody = sum(sizes.values())
    if not sizes:
        return [insufficient("all", "there are no segments yet")]
    fewest = max(definition.warn or 0, math.ceil(definition.parameters["share_warn"] * everybody))
    is_young = spared_by_youth(night, definition)
    return [
        Measurement(
            segment,
            customers,
            effect=customers / everybody if everybody else 0.0,
            current_count=everybody,
            unit="count",
            limits=Limits(fewest, definition.error),
            is_sufficient=not is_young,
            says=f"{night.label(segment)} has {customers:,} customers, "
            f"{written(customers / everybody if everybody else 0.0, 'share')} of all"
            + (", too early to judge" if is_young else ""),
        )
        for segment, customers in sorted(sizes.items())
    ]


def _sizes(night: Night) -> dict[str, int]:
    """Customers of every segment of the preset, the empty ones too."""
    named = {str(row["segment"]): 0 for row in night.optional("definitions")}
    return named | dict(night.sizes.get(night.as_of_date, {}))


def segment_count(night: Night, definition: Definition) -> list[Measurement]:
    """C41: number of segments with customers, and the share of the largest."""
    sizes = {name: count for name, count in _sizes(night).items() if count > 0}
    if not sizes:
        return [insufficient("all", "no segment has customers yet")]
    if spared_by_youth(night, definition):
        return [insufficient("all", "the shop is too young to count its segments")]
    given = definition.parameters
    count, everybody = len(sizes), sum(sizes.values())
    largest = min(sizes, key=lambda name: (-sizes[name], name))
    few = Limits(given["fewest_warn"], given["fewest_error"], "below")
    return [
        Measurement(
            "segments",
            count,
            current_count=everybody,
            unit="count",
            limits=few if count < given["fewest_warn"] else None,
            says=f"{count} segments have customers",
        ),
        Measurement(
            "largest",
            sizes[largest] / everybody,
            current_count=everybody,
            unit="share",
            limits=Limits(given["largest_warn"], None),
            says=f"the largest segment, {night.label(largest)}, holds "
            f"{written(sizes[largest] / everybody, 'share')} of all customers",
        ),
    ]


FEATURES = {
    "frequency": "the number of orders",
    "log_monetary": "the money spent (its logarithm)",
    "recency": "the time since the last order",
}


def eta2(night: Night, definition: Definition) -> list[Measurement]:
    """C42: share of the variance of each feature that lies between segments."""
    if spared_by_youth(night, definition):
        return [insufficient("all", "the shop is too young to tell its segments apart")]
    found = []
    for (feature,), rows in grouped(night.rows("segment_moments"), "feature").items():
        held = sorted((row for row in rows if row["customers"]), key=lambda row: row["segment"])
        customers = total(held, "customers") or 0.0
        count = int(customers)
        if not definition.enough(None, customers) or len(held) < 2:
            says = f"too few customers or segments to compare their {feature}"
            found.append(insufficient(feature, says, current_count=count))
            continue
        columns = [
            [math.nan if row[name] is None else float(row[name]) for row in held]
            for name in ("customers", "mean", "variance")
        ]
        value, f = eta_squared(*columns)
        found.append(
            Measurement(
                feature,
                value,
                effect=f,
                current_count=count,
                unit="share",
                says=f"{written(value, 'share')} of the differences in "
                f"{FEATURES.get(feature, feature)} lie between the segments",
            )
        )
    return found or [insufficient("all", "no segment has customers yet")]


def definition_review(night: Night, definition: Definition) -> list[Measurement]:  # noqa: ARG001
    """C52: days since a person read the segment that waits longest."""
    rows = sorted(night.rows("definitions"), key=lambda row: row["segment"])
    if not rows:
        return [insufficient("all", "no segment is defined")]
    unread = [str(row["segment"]) for row in rows if row["reviewed_on"] is None]
    if unread:
        return [
            Measurement(
                "all",
                None,
                decided="warn",
                unit="days",
                says=f"nobody wrote down when {', '.join(unread[:3])} was last reviewed",
                details={"never_reviewed": unread},
            )
        ]
    oldest = min(rows, key=lambda row: (row["reviewed_on"], row["segment"]))
    days = max(0, (night.as_of_date - oldest["reviewed_on"]).days)
    return [
        Measurement(
            "all",
            days,
            unit="days",
            says=f"the definition of {night.label(oldest['segment'])} was last reviewed "
            f"{written(days, 'days')} ago",
        )
    ]


def objectives(night: Night, definition: Definition) -> list[Measurement]:  # noqa: ARG001
    """C54: segments without an aim that can be measured."""
    rows = sorted(night.rows("definitions"), key=lambda row: row["segment"])
    if not rows:
        return [insufficient("all", "no segment is defined")]
    aimless = [str(row["segment"]) for row in rows if missing_aims(row)]
    return [
        Measurement(
            "all",
            len(aimless),
            current_count=len(rows),
            unit="count",
            says=f"{len(aimless)} of {len(rows)} segments have no aim that can be measured"
            + _named(aimless),
            details={"segments": aimless},
        )
    ]


def missing_aims(row: Mapping[str, Any]) -> list[str]:
    """Name what a row of `quality_definitions` lacks of an aim that can be measured."""
    lacking = [
        name
        for name in ("objective", "objective_metric", "objective_target")
        if str(row[name] or "").strip().lower().rstrip(".") in PLACEHOLDERS
    ]
    target = str(row["objective_target"] or "")
    if "objective_target" not in lacking and not any(letter.isdigit() for letter in target):
        lacking.append("objective_target")
    return lacking


def _named(names: Sequence[str]) -> str:
    return f": {', '.join(names[:3])}{' and more' if len(names) > 3 else ''}" if names else ""
