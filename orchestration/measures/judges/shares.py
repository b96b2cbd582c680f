"""Do customers go where they used to go, and do the shares of segments move as they used to.

Tests of tables are in `orchestration.measures.tables`; how many customers move at all is judged in
`orchestration.measures.judges.movement`.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestration.measures.checks import Measurement, written
from orchestration.measures.control import HALF, MAD_TO_SIGMA, MEDIAN_VARIANCE
from orchestration.measures.daily_series import WEEK
from orchestration.measures.judges.reading import (
    insufficient,
    matrices,
    recut,
    spared_by_scorecard,
    spared_by_youth,
    total,
    whole,
)
from orchestration.measures.mobility import transition_shares
from orchestration.measures.tables import (
    FEWEST_EXPECTED,
    chi_squared_p,
    cramers_v,
    homogeneity,
    independence,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from orchestration.measures.checks import Definition
    from orchestration.measures.night import Night

# Weekly changes that a week's change is compared with.
WEEKS = 8


def transition_homogeneity(night: Night, definition: Definition) -> list[Measurement]:
    """C20: moves of the last week against those of the weeks before, by start segment."""
    segments, blocks = matrices(night.rows("transitions"), WEEK)
    weeks = int(definition.parameters["weeks"])
    # A week in which cut points moved says nothing about weeks in which customers did.
    usual = [
        week for week in range(1, weeks + 1) if not recut(night, WEEK, week) and week in blocks
    ]
    if not set(range(weeks + 1)) <= set(blocks):
        known = len(set(range(1, weeks + 1)) & set(blocks))
        return [
            insufficient(
                "all", f"moves are compared with {weeks} weeks before, {known} of them are known"
            )
        ]
    current = blocks[0]
    if len(usual) < definition.parameters["fewest_weeks"]:
        says = f"cut points moved in all but {len(usual)} of the {weeks} weeks before"
        return [insufficient("all", says)]
    reference = np.sum([blocks[week] for week in usual], axis=0)
    counts: dict[str, Any] = {
        "reference_count": whole(reference.sum()),
        "current_count": whole(current.sum()),
    }
    if not definition.enough(reference.sum(), current.sum()):
        return [insufficient("all", "too few customers to compare their moves", **counts)]
    test = homogeneity(current, reference, pool_below=FEWEST_EXPECTED)
    p_value, dispersion = test.p_value, 1.0
    if p_value < (definition.p_warn or 0):
        dispersion = max(1.0, _dispersion([blocks[week] for week in usual]))
        p_value = chi_squared_p(test.statistic / dispersion, test.df)
    is_shared = (current.sum(axis=1) > 0) & (reference.sum(axis=1) > 0)
    weights = np.where(is_shared, current.sum(axis=1), 0) / current.sum(axis=1)[is_shared].sum()
    apart = 0.5 * np.abs(transition_shares(current) - transition_shares(reference)).sum(axis=1)
    effect = float((weights * apart).sum())
    limits, spared = spared_by_scorecard(night, definition, night.as_of_date - timedelta(days=WEEK))
    order = np.argsort(-weights * apart, kind="stable")
    most = [segments[place] for place in order[:3] if weights[place] * apart[place] > 0]
    return [
        Measurement(
            "all",
            effect,
            effect=test.statistic,
            p_value=p_value,
            unit="share",
            limits=limits,
            says=f"{written(effect, 'share')} of the customers ended the week elsewhere than "
            f"customers of their segment did in {len(usual)} weeks before "
            f"(p {p_value:.2g}){spared}",
            details={
                "df": test.df,
                "dispersion": dispersion,
                "most_of_it_from": most,
                "by_segment": {segments[place]: round(float(apart[place]), 6) for place in order},
            },
            **counts,
        )
    ]


def _dispersion(weeks: list[NDArray[Any]]) -> float:
    """How much more than chance usual weeks differ from the next: median of X2 / df.

    Who bought on the same day grows older on the same day, so customers do not move on their own.
    One odd week spoils two of the comparisons and leaves the median.
    """
    tests = [
        homogeneity(one, other, pool_below=FEWEST_EXPECTED)
        for one, other in itertools.pairwise(weeks)
    ]
    return float(np.median([test.statistic / test.df if test.df else 1.0 for test in tests]))


def cohort_share_shift(night: Night, definition: Definition) -> list[Measurement]:
    """C21: segments of the week's new customers against those of the weeks before."""
    now: dict[str, float] = defaultdict(float)
    before: dict[str, float] = defaultdict(float)
    for row in night.rows("cohorts"):
        side = now if int(row["block"]) == 0 else before
        side[row["segment"]] += float(row["customers"])
    counts: dict[str, Any] = {
        "reference_count": int(sum(before.values())),
        "current_count": int(sum(now.values())),
    }
    if spared_by_youth(night, definition):
        return [insufficient("all", "in a young shop every customer is new", **counts)]
    if not definition.enough(sum(before.values()), sum(now.values())):
        says = f"{counts['current_count']:,} new customers this week are too few to compare"
        return [insufficient("all", says, **counts)]
    segments = sorted({*now, *before})
    table = [[now[name] for name in segments], [before[name] for name in segments]]
    test = independence(table, likelihood_ratio=True)
    v = cramers_v(table)
    return [
        Measurement(
            "all",
            v,
            effect=test.statistic,
            p_value=test.p_value,
            says=f"the segments of {counts['current_count']:,} new customers differ from those of "
            f"the weeks before by {written(v)} on a scale from 0 to 1 (p {test.p_value:.2g})",
            details={"df": test.df},
            **counts,
        )
    ]


def share_vs_history(night: Night, definition: Definition) -> list[Measurement]:
    """C22: change of a segment's share in a week against its changes in eight weeks before."""
    day = night.as_of_date
    known = [night.sizes.get(day - timedelta(days=WEEK * weeks), {}) for weeks in range(WEEKS + 2)]
    segments = sorted(set().union(*(known[0], known[1])))
    if spared_by_youth(night, definition) or not all(known):
        return [insufficient("all", f"weekly changes are compared with {WEEKS} weeks before")]
    limits, spared = spared_by_scorecard(night, definition, day - timedelta(days=WEEK))
    everybody = np.array([sum(sizes.values()) for sizes in known], dtype=float)
    found = []
    for segment in segments:
        sizes = np.array([week.get(segment, 0) for week in known], dtype=float)
        logs = np.log((sizes + HALF) / (everybody + HALF))
        changes = logs[:-1] - logs[1:]
        usual = float(np.median(changes[1:]))
        spread = MAD_TO_SIGMA * float(np.median(np.abs(changes[1:] - usual)))
        noise = math.hypot(1 / math.sqrt(sizes[1] + HALF), definition.parameters["relative_floor"])
        scale = max(spread, noise) * math.sqrt(1 + MEDIAN_VARIANCE / WEEKS)
        z = (float(changes[0]) - usual) / scale
        ratio = math.exp(float(changes[0]) - usual) - 1
        share, expected = sizes[0] / everybody[0], sizes[1] / everybody[1] * math.exp(usual)
        found.append(
            Measurement(
                segment,
                abs(z),
                effect=ratio,
                expected=expected,
                reference_count=WEEKS,
                current_count=int(sizes[0]),
                limits=limits,
                says=f"{night.label(segment)} holds {written(share, 'share')} of the customers, "
                f"{written(expected, 'share')} were to be expected from its weekly changes: "
                f"{abs(z):.1f} times the usual deviation{spared}",
            )
        )
    return found


def largest_change(night: Night, definition: Definition) -> list[Measurement]:
    """C23: absolute change of a segment's share in a week."""
    day = night.as_of_date
    now, before = night.sizes.get(day, {}), night.sizes.get(day - timedelta(days=WEEK), {})
    total_now, total_before = sum(now.values()), sum(before.values())
    counts: dict[str, Any] = {"reference_count": total_before, "current_count": total_now}
    if spared_by_youth(night, definition) or not definition.enough(total_before, total_now):
        return [insufficient("all", "too few customers or days to compare shares", **counts)]
    limits, spared = spared_by_scorecard(night, definition, day - timedelta(days=WEEK))
    found = []
    for segment in sorted({*now, *before}):
        change = now.get(segment, 0) / total_now - before.get(segment, 0) / total_before
        verb = "grew" if change >= 0 else "shrank"
        found.append(
            Measurement(
                segment,
                abs(change),
                effect=change,
                unit="points",
                limits=limits,
                says=f"{night.label(segment)} {verb} by {written(abs(change), 'points')} of "
                f"all customers within a week{spared}",
                **counts,
            )
        )
    return found


def unmapped(night: Night, definition: Definition) -> list[Measurement]:  # noqa: ARG001
    """C24: customers without a segment, with an unknown one, or without a stage."""
    rows = night.rows("unmapped")
    parts = {
        name: total(rows, name) for name in ("without_segment", "unknown_segment", "without_stage")
    }
    if not rows or None in parts.values():
        return [Measurement("all", None, says="labels were not counted")]
    missing = sum(part or 0 for part in parts.values())
    return [
        Measurement(
            "all",
            missing,
            current_count=whole(total(rows, "customers")),
            unit="count",
            says=f"{written(missing, 'count')} customers have no label that the rules know",
            details={name: whole(part) for name, part in parts.items()},
        )
    ]
