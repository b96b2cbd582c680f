"""What customers of a segment did afterwards: do segments differ in it, and is the best one best.

Whether segments are large enough and have an aim is judged in
`orchestration.measures.judges.usefulness`.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scipy import special

from orchestration.measures.checks import Measurement, written
from orchestration.measures.distances import kolmogorov_smirnov
from orchestration.measures.judges.reading import insufficient, total
from orchestration.measures.tables import (
    benjamini_hochberg,
    cramers_v,
    independence,
    two_proportions,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestration.measures.checks import Definition
    from orchestration.measures.night import Night


def response_difference(night: Night, definition: Definition) -> list[Measurement]:
    """C43: do segments of 28 days ago buy again at different rates."""
    rows = sorted(
        (row for row in night.rows("responses") if row["customers"]),
        key=lambda row: row["segment"],
    )
    customers = total(rows, "customers") or 0.0
    count = int(customers)
    if not definition.enough(None, customers) or len(rows) < 2:
        says = f"{count:,} customers of 28 days ago are too few to compare what they did since"
        return [insufficient("all", says, current_count=count)]
    table = [
        [float(row["bought_again"]), float(row["customers"]) - float(row["bought_again"])]
        for row in rows
    ]
    test, v = independence(table), cramers_v(table)
    is_weak = v < (definition.warn or 0)
    is_chance = test.p_value > (definition.p_warn or 1)
    says = (
        f"segments and buying again go together by {written(v)} on a scale from 0 to 1 "
        f"(p {test.p_value:.2g})"
    )
    return [
        Measurement(
            "all",
            v,
            effect=test.statistic,
            p_value=test.p_value,
            p_adjusted=test.p_value,
            current_count=count,
            decided="warn" if is_weak or is_chance else "pass",
            says=f"{says}; below {written(definition.warn)} or with p above "
            f"{written(definition.p_warn)} warns",
            details={"df": test.df},
        )
    ]


@dataclass(frozen=True)
class Pair:
    """Two segments and the outcomes of the next 28 days in which they differ.

    Attributes:
        outcomes: adjusted p-value by outcome.
        p_value: smallest p-value before correction.
    """

    first: str
    second: str
    first_count: int
    second_count: int
    outcomes: Mapping[str, float]
    p_value: float

    def differing(self, level: float) -> int:
        """Number of outcomes that differ."""
        return sum(p < level for p in self.outcomes.values())


def compared_pairs(night: Night, fewest: int) -> list[Pair]:
    """Compare every two segments by what their customers did in the next 28 days.

    Args:
        night: the night.
        fewest: customers that both must have.

    Returns:
        The pairs; the p-values of all pairs and outcomes are corrected together.
    """
    responses = {
        str(row["segment"]): row
        for row in night.rows("responses")
        if row["customers"] and int(row["customers"]) >= fewest
    }
    bins = night.optional("response_bins")
    numbers = sorted({int(row["bin"]) for row in bins})
    revenue: dict[str, list[float]] = {name: [0.0] * len(numbers) for name in responses}
    for row in bins:
        if row["segment"] in revenue:
            revenue[row["segment"]][numbers.index(int(row["bin"]))] += float(row["customers"])
    found: list[tuple[str, str, dict[str, float]]] = []
    for first, second in itertools.combinations(sorted(responses), 2):
        one, other = responses[first], responses[second]
        tests = {
            "bought_again": two_proportions(
                float(one["bought_again"]),
                float(one["customers"]),
                float(other["bought_again"]),
                float(other["customers"]),
            )
        }
        if sum(revenue[first]) and sum(revenue[second]):
            tests["revenue"] = kolmogorov_smirnov(revenue[first], revenue[second])[1]
        found.append((first, second, tests))
    adjusted = iter(benjamini_hochberg([p for _, _, tests in found for p in tests.values()]))
    return [
        Pair(
            first,
            second,
            int(responses[first]["customers"]),
            int(responses[second]["customers"]),
            {outcome: next(adjusted) for outcome in tests},
            min(tests.values()),
        )
        for first, second, tests in found
    ]


def merge_candidates(night: Night, definition: Definition) -> list[Measurement]:
    """C44: pairs of segments of which no outcome differs."""
    pairs = compared_pairs(night, definition.min_current or 1)
    level = definition.p_warn or 0.0
    if not pairs:
        says = f"fewer than two segments had {definition.min_current} customers 28 days ago"
        return [insufficient("all", says)]
    # Named in one result: a pair more or less from night to night is no news of its own.
    alike = [pair for pair in pairs if pair.differing(level) == 0]
    named = [f"{night.label(pair.first)} and {night.label(pair.second)}" for pair in alike]
    says = f"all {len(pairs)} pairs of segments differ in what their customers did"
    if alike:
        says = (
            f"{len(alike)} of {len(pairs)} pairs of segments did the same in 28 days and can be "
            f"merged: {'; '.join(named[:3])}{'; and more' if len(named) > 3 else ''}"
        )
    return [
        Measurement(
            "all",
            min(pair.differing(level) for pair in pairs),
            effect=len(alike),
            current_count=len(pairs),
            unit="count",
            decided="warn" if alike else "pass",
            says=says,
            details={
                "pairs": [
                    {
                        "first": pair.first,
                        "second": pair.second,
                        "p_adjusted_by_outcome": dict(pair.outcomes),
                    }
                    for pair in alike
                ]
            },
        )
    ]


def value_order(night: Night, definition: Definition) -> list[Measurement]:
    """C46: does a better rank bring more revenue in the 90 days that follow."""
    rows = [
        row
        for row in night.rows("futures")
        if row["mean_revenue"] is not None and definition.enough(None, float(row["customers"]))
    ]
    pairs, p_values = [], []
    for low, high in itertools.permutations(sorted(rows, key=lambda row: row["segment"]), 2):
        if low["rank"] < high["rank"]:
            pairs.append((str(low["segment"]), str(high["segment"])))
            p_values.append(_more_by_chance(low, high))
    if not pairs:
        return [insufficient("all", "too few segments of different rank 90 days ago to compare")]
    adjusted = benjamini_hochberg(p_values)
    inverted = [
        pair for pair, p in zip(pairs, adjusted, strict=True) if p < (definition.p_warn or 0)
    ]
    shown = "; ".join(
        f"{night.label(low)} brought more than {night.label(high)}" for low, high in inverted[:3]
    )
    return [
        Measurement(
            "all",
            len(inverted),
            p_value=min(p_values),
            p_adjusted=min(adjusted),
            current_count=len(pairs),
            unit="count",
            says=f"in {len(inverted)} of {len(pairs)} pairs the lower segment brought more revenue"
            + (f" ({shown})" if shown else ""),
            details={"inverted": [f"{low} > {high}" for low, high in inverted]},
        )
    ]


def _more_by_chance(low: Mapping[str, Any], high: Mapping[str, Any]) -> float:
    """One-sided p-value that the mean revenue of the first is greater (Welch, large samples)."""
    difference = float(low["mean_revenue"]) - float(high["mean_revenue"])
    variance = sum(
        float(row["stddev_revenue"] or 0) ** 2 / float(row["customers"]) for row in (low, high)
    )
    if variance == 0:
        return 0.0 if difference > 0 else 1.0
    return float(special.ndtr(-difference / math.sqrt(variance)))
