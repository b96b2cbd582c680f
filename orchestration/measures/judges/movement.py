"""How many customers change segment, why, and whether what is kept is still what the orders say.

Indices of mobility are in `orchestration.measures.mobility`; whether customers move elsewhere than
before is judged in `orchestration.measures.judges.shares`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestration.measures.checks import Limits, Measurement, written
from orchestration.measures.judges.reading import (
    insufficient,
    matrices,
    number,
    recut,
    spared_by_scorecard,
    spared_by_youth,
    total,
    whole,
)
from orchestration.measures.mobility import (
    resampled,
    shorrocks,
    singular_mobility,
    transition_shares,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from orchestration.measures.checks import Definition
    from orchestration.measures.night import Night

MONTH = 30
# Blocks of 30 days before the newest, half a year.
BLOCKS = 6
# Days within which a customer must have left and come back.
FLAPPING = 14
# Both ends of an interval that holds 95 % of the draws.
INTERVAL = (2.5, 97.5)
CAUSES = {
    "bought": "they bought",
    "aged": "they fell silent or grew older",
    "window_exit": "old orders left the window",
    "recalibrated": "the cut points moved",
    "rules_changed": "the rules changed",
    "corrected": "amounts were corrected",
    "merged": "accounts were merged",
}
# Causes that lie in the definitions and not in the customers.
DEFINED = ("recalibrated", "rules_changed")
INDICES = {"shorrocks": shorrocks, "m_svd": singular_mobility}


def churn_30d(night: Night, definition: Definition) -> list[Measurement]:
    """C30: share of the customers of 30 days ago who hold another segment now."""
    _, blocks = matrices(night.rows("transitions"), MONTH)
    young = len(blocks) < definition.parameters["settled_blocks"]
    limits = Limits(definition.warn, None) if young else None
    return [_moved(night, definition, MONTH, blocks.get(0), limits=limits)]


def churn_1d(night: Night, definition: Definition) -> list[Measurement]:
    """C31: the same since yesterday."""
    _, blocks = matrices(night.rows("transitions"), 1)
    limits, spared = spared_by_scorecard(night, definition, night.as_of_date - timedelta(days=1))
    if spared_by_youth(night, definition):
        limits = Limits(definition.warn, None)
    return [_moved(night, definition, 1, blocks.get(0), limits=limits, spared=spared)]


def _moved(
    night: Night,
    definition: Definition,
    horizon_days: int,
    block: NDArray[Any] | None,
    *,
    limits: Limits | None,
    spared: str = "",
) -> Measurement:
    span = "a day" if horizon_days == 1 else f"{horizon_days} days"
    customers = 0.0 if block is None else float(block.sum())
    if block is None or not definition.enough(None, customers) or customers == 0:
        says = f"{customers:,.0f} customers had a segment {span} ago, too few to judge their moves"
        return insufficient("all", says, current_count=int(customers))
    moved = customers - float(np.trace(block))
    causes = {
        str(row["cause"]): float(row["customers"])
        for row in night.optional("moves_by_cause")
        if int(row["horizon_days"]) == horizon_days
    }
    return Measurement(
        "all",
        moved / customers,
        effect=moved,
        current_count=int(customers),
        unit="share",
        limits=limits,
        says=f"{written(moved / customers, 'share')} of {customers:,.0f} customers changed "
        f"segment within {span}{_why(causes)}{spared}",
        details={
            "moved": moved,
            "causes": causes,
            "share_by_definitions": _share_by_definitions(causes),
        },
    )


def _share_by_definitions(causes: dict[str, float]) -> float | None:
    everything = sum(causes.values())
    return sum(causes.get(name, 0.0) for name in DEFINED) / everything if everything else None


def _why(causes: dict[str, float]) -> str:
    """Say what moved them, and above all if nobody moved but the definitions."""
    everything = sum(causes.values())
    if not everything:
        return ""
    first = min(causes, key=lambda name: (-causes[name], name))
    share = written(causes[first] / everything, "share")
    if causes[first] == everything and first in DEFINED:
        return f", only because {CAUSES[first]}"
    text = f", {share} of them because {CAUSES.get(first, first)}"
    recut = causes.get("recalibrated", 0.0)
    if first != "recalibrated" and recut:
        text += f" and {written(recut / everything, 'share')} because the cut points moved"
    return text


def mobility(night: Night, definition: Definition) -> list[Measurement]:
    """C32: indices of mobility of the last 30 days against the median of half a year.

    Both indices see the same moves with other weights, so the one that is less away is judged.
    """
    _, blocks = matrices(night.rows("transitions"), MONTH)
    if not set(range(BLOCKS + 1)) <= set(blocks):
        says = f"mobility is compared with {BLOCKS} months before, {max(0, len(blocks) - 1)} known"
        return [insufficient("all", says)]
    # A month in which cut points moved says nothing about months in which customers did.
    usual = [block for block in range(1, BLOCKS + 1) if not recut(night, MONTH, block)]
    if len(usual) < definition.parameters["fewest_months"]:
        says = f"cut points moved in all but {len(usual)} of the {BLOCKS} months before"
        return [insufficient("all", says)]
    customers = float(blocks[0].sum())
    fewest = min(float(blocks[block].sum()) for block in usual)
    counts: dict[str, Any] = {"reference_count": int(fewest), "current_count": int(customers)}
    if not definition.enough(fewest, customers) or len(blocks[0]) < 2:
        return [insufficient("all", "too few customers to judge mobility", **counts)]
    shares = transition_shares(np.stack([blocks[block] for block in (0, *usual)]))
    values = {name: index(shares) for name, index in INDICES.items()}
    away = {name: _away(float(one[0]), float(np.median(one[1:]))) for name, one in values.items()}
    name = min(away, key=lambda one: (away[one], one))
    now, median = float(values[name][0]), float(np.median(values[name][1:]))
    low = high = None
    if away[name] > (definition.warn or 0):
        low, high = _interval(night, definition, blocks[0], name)
    limits, spared = spared_by_scorecard(
        night, definition, night.as_of_date - timedelta(days=MONTH)
    )
    return [
        Measurement(
            "all",
            away[name],
            effect=now,
            expected=median,
            unit="share",
            limits=limits,
            is_significant=low is None or high is None or not low <= median <= high,
            says=f"the index {name} of movement is {written(now)}, {written(away[name], 'share')} "
            f"away from the {written(median)} of the half year before{spared}",
            details={
                "interval_low": low,
                "interval_high": high,
                "now": {index: float(one[0]) for index, one in values.items()},
                "away": away,
            },
            **counts,
        )
    ]


def _away(now: float, usual: float) -> float:
    if usual > 0:
        return abs(now / usual - 1)
    return 0.0 if now == 0 else float("inf")


def _interval(
    night: Night, definition: Definition, block: NDArray[Any], name: str
) -> tuple[float, float]:
    """Interval of an index over customers drawn anew; the as-of date is the seed."""
    times = int(definition.parameters["resamples"])
    drawn = resampled(block, times, seed=night.as_of_date.toordinal())
    low, high = np.percentile(INDICES[name](drawn), INTERVAL)
    return float(low), float(high)


def recompute_identity(night: Night, definition: Definition) -> list[Measurement]:  # noqa: ARG001
    """C33: labels computed anew against those of the timeline; all customers are compared."""
    rows = night.rows("recompute")
    differing, compared = total(rows, "differing"), total(rows, "compared")
    if not rows or differing is None or compared is None:
        return [Measurement("all", None, says="labels were not computed anew")]
    known = total(night.optional("unmapped"), "customers")
    left_out = max(0.0, (known or 0.0) - compared)
    says = f"{written(differing, 'count')} of {compared:,.0f} labels differ when computed anew"
    if left_out:
        says += f", and {left_out:,.0f} customers were not compared"
    return [
        Measurement(
            "all",
            differing + left_out,
            effect=differing,
            current_count=whole(compared),
            unit="count",
            says=says,
            details={
                "labels_fingerprint": str(rows[0].get("labels_fingerprint")),
                "not_compared": left_out,
            },
        )
    ]


def flapping(night: Night, definition: Definition) -> list[Measurement]:
    """C34: share of a segment that left it and came back within 14 days."""
    if spared_by_youth(night, definition):
        return [insufficient("all", "the cut points of a young shop still move every night")]
    # Cut points that move carry customers there and back; that is told with the scorecard.
    since = night.as_of_date - timedelta(days=FLAPPING)
    limits, spared = spared_by_scorecard(night, definition, since)
    found = []
    for row in sorted(night.rows("flapping"), key=lambda row: row["segment"]):
        segment = row["segment"]
        customers, back = number(row, "customers"), number(row, "flapping")
        if customers is None or back is None or not definition.enough(None, customers):
            says = f"{night.label(segment)} has too few customers to judge how many come and go"
            found.append(insufficient(segment, says, current_count=whole(customers)))
            continue
        share = back / customers if customers else 0.0
        found.append(
            Measurement(
                segment,
                share,
                effect=back,
                current_count=whole(customers),
                unit="share",
                limits=limits,
                says=f"{written(share, 'share')} of {night.label(segment)} left it and came back "
                f"within two weeks{spared}",
            )
        )
    return found or [insufficient("all", "no segment has customers")]


def forbidden_moves(night: Night, definition: Definition) -> list[Measurement]:  # noqa: ARG001
    """C35: moves that a rule of the table forbids."""
    rows = night.rows("forbidden_moves")
    moves = total(rows, "moves")
    broken = {str(row["rule"]): number(row, "moves") for row in rows if row["moves"]}
    named = f": {', '.join(sorted(broken)[:3])}" if broken else ""
    return [
        Measurement(
            "all",
            moves,
            current_count=len(rows),
            unit="count",
            says=f"{written(moves, 'count')} moves of the last 35 days break one of {len(rows)} "
            f"rules about what cannot be{named}",
            details={"moves_by_rule": broken},
        )
    ]


def definition_hash(night: Night, definition: Definition) -> list[Measurement]:
    """C38: definitions whose content is not the published one of the same name."""
    now = {
        (row["definition_type"], row["definition_id"]): row["content_hash"]
        for row in night.rows("definition_log")
    }
    before = {
        (row["definition_type"], row["definition_id"]): row["content_hash"]
        for row in night.rows("published_definitions")
    }
    # Orders that come late still change a new scorecard, as they should.
    settled = night.as_of_date - timedelta(days=definition.parameters["settling_days"])
    unsettled = {("scorecard", name) for name in night.scorecards_since(settled)}
    changed = [key for key, content in now.items() if before.get(key, content) != content]
    rewritten = [key for key in changed if key not in unsettled]
    settling = sorted(name for kind, name in changed if (kind, name) in unsettled)
    new = sorted(name for kind, name in now.keys() - before.keys()) if before else []
    gone = sorted(name for kind, name in before.keys() - now.keys())
    told = f"; new: {', '.join(new[:3])}" if new else ""
    told += f"; late orders still change {', '.join(settling[:3])}" if settling else ""
    counts: dict[str, Any] = {"reference_count": len(before), "current_count": len(now)}
    found = []
    for subject, what, limits in (
        ("rules", "rules", Limits(None, definition.error)),
        ("scorecards", "sets of cut points", Limits(definition.warn, None)),
    ):
        is_scorecard = subject == "scorecards"
        names = sorted(name for kind, name in rewritten if (kind == "scorecard") == is_scorecard)
        shown = f" ({', '.join(names[:3])})" if names else ""
        found.append(
            Measurement(
                subject,
                len(names),
                unit="count",
                limits=limits,
                says=f"{len(names)} published {what} were rewritten under their name{shown}"
                + (", by orders that came late" if names and is_scorecard else "")
                + told,
                details={"rewritten": names, "new": new, "gone": gone, "settling": settling},
                **counts,
            )
        )
    return found
