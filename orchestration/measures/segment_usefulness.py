"""One verdict per segment and criterion of usefulness, with advice.

The criteria are those that guides on segmentation ask of a segment: measurable, accessible,
substantial, differentiable, homogeneous, actionable, stable. The checks that they rest on are in
`orchestration.measures.judges`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Literal, TypeAlias

from orchestration.measures.checks import finite, written
from orchestration.measures.judges.outcomes import Pair, compared_pairs
from orchestration.measures.judges.reading import grouped, number
from orchestration.measures.judges.usefulness import missing_aims
from orchestration.measures.moments import total_variance
from orchestration.measures.rule_bounds import PLACEHOLDERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date

    from orchestration.measures.checks import Definition, Result
    from orchestration.measures.night import Night

Criterion: TypeAlias = Literal[
    "measurable",
    "accessible",
    "substantial",
    "differentiable",
    "homogeneous",
    "actionable",
    "stable",
]
SegmentStatus: TypeAlias = Literal["pass", "warn", "fail", "unknown"]


@dataclass(frozen=True)
class SegmentVerdict:
    """What was found about one segment by one criterion.

    Attributes:
        as_of_date: day that is judged.
        segment: name of the segment.
        criterion: one of the seven.
        value: number that decides, in the unit of the threshold; None if there is none.
        threshold: limit it is compared with.
        verdict: `unknown` where the data do not say.
        advice: one sentence for people: what was found, and what to do.
    """

    as_of_date: date
    segment: str
    criterion: Criterion
    value: float | None
    threshold: float | None
    verdict: SegmentStatus
    advice: str


VERDICT_OF: Mapping[str, SegmentStatus] = {
    "pass": "pass",
    "warn": "warn",
    "error": "fail",
    "insufficient_data": "unknown",
}
WORST: tuple[SegmentStatus, ...] = ("fail", "warn", "pass", "unknown")


def segment_verdict_rows(
    night: Night, results: Sequence[Result], thresholds: Mapping[str, Definition]
) -> tuple[SegmentVerdict, ...]:
    """Judge every segment by the seven criteria.

    Args:
        night: what was counted.
        results: of `judge_night` on the same night.
        thresholds: the checks by id; their limits are those of the criteria.

    Returns:
        One verdict per segment and criterion, segments by name, criteria in their order.
    """
    segments = _segments(night)
    view = _View(night, {(one.check_id, one.subject): one for one in results}, thresholds)
    return tuple(
        judge(view, partial(SegmentVerdict, night.as_of_date, segment), segment)
        for segment in segments
        for judge in (
            _measurable,
            _accessible,
            _substantial,
            _differentiable,
            _homogeneous,
            _actionable,
            _stable,
        )
    )


Maker: TypeAlias = "Callable[..., SegmentVerdict]"


class _View:
    """A night with its results, and what several criteria need."""

    def __init__(
        self,
        night: Night,
        results: Mapping[tuple[str, str], Result],
        thresholds: Mapping[str, Definition],
    ) -> None:
        self.night = night
        self.results = results
        self.thresholds = thresholds
        fewest = thresholds["C44"].min_current or 1
        self.pairs = compared_pairs(night, fewest) if night.optional("responses") else []
        self.aims = {str(row["segment"]): row for row in night.optional("definitions")}
        self.actions = Counter(str(row["action"]).strip() for row in self.aims.values())

    def result(self, check_id: str, subject: str) -> Result | None:
        """A result of the segment, or of all where the check said nothing of it alone."""
        return self.results.get((check_id, subject)) or self.results.get((check_id, "all"))

    def alike(self, segment: str) -> list[str]:
        """Segments that no outcome tells from this one."""
        level = self.thresholds["C44"].p_warn or 0.0
        return [
            _other(pair, segment)
            for pair in self.pairs
            if segment in (pair.first, pair.second) and pair.differing(level) == 0
        ]

    def nearest(self, segment: str) -> str | None:
        """The segment whose customers did most nearly the same, if any was compared."""
        own = [pair for pair in self.pairs if segment in (pair.first, pair.second)]
        if not own:
            return None
        return _other(max(own, key=lambda pair: min(pair.outcomes.values())), segment)

    def label(self, segment: str) -> str:
        return self.night.label(segment)


def _segments(night: Night) -> list[str]:
    named = {str(row["segment"]) for row in night.optional("definitions")}
    if night.optional("segment_daily_metrics"):
        named |= {name for name, count in night.sizes.get(night.as_of_date, {}).items() if count}
    return sorted(named)


def _other(pair: Pair, segment: str) -> str:
    return pair.second if pair.first == segment else pair.first


def _measurable(view: _View, make: Maker, segment: str) -> SegmentVerdict:
    """Everybody has a label, and it is the one that the orders give (C24, C33)."""
    found = [view.result(check_id, segment) for check_id in ("C24", "C33")]
    values = [finite(one.value) if one is not None else None for one in found]
    if None in values:
        return make(
            "measurable", None, 0.0, "unknown", "Nobody counted whether its customers are right."
        )
    wrong = float(sum(value or 0 for value in values))
    if wrong:
        return make(
            "measurable",
            wrong,
            0.0,
            "fail",
            f"{written(wrong, 'count')} customers have no label or a wrong one; do not trust its "
            "size until they are found.",
        )
    return make("measurable", 0.0, 0.0, "pass", "Its size and its money are counted exactly.")


def _accessible(view: _View, make: Maker, segment: str) -> SegmentVerdict:
    """Enough of its customers can be reached, where a table of reach exists."""
    reachable = next(
        (
            number(row, "reachable")
            for row in view.night.optional("reach")
            if row["segment"] == segment
        ),
        None,
    )
    size = view.thresholds["C40"]
    if reachable is None:
        return make(
            "accessible",
            None,
            size.warn,
            "unknown",
            "Who may be contacted is not known; connect consents and addresses.",
        )
    verdict: SegmentStatus = "pass"
    if size.error is not None and reachable < size.error:
        verdict = "fail"
    elif size.warn is not None and reachable < size.warn:
        verdict = "warn"
    return make(
        "accessible",
        reachable,
        size.warn,
        verdict,
        f"{written(reachable, 'count')} of its customers can be reached.",
    )


def _substantial(view: _View, make: Maker, segment: str) -> SegmentVerdict:
    """It is large enough (C40)."""
    found = view.results.get(("C40", segment))
    if found is None or found.status == "insufficient_data":
        return make("substantial", None, None, "unknown", "It is too early to judge its size.")
    verdict = VERDICT_OF[found.status]
    advice = f"It holds {written(found.value, 'count')} customers."
    if verdict != "pass":
        nearest = view.nearest(segment)
        target = f" with {view.label(nearest)}" if nearest else " with its neighbour"
        advice = f"{advice[:-1]}, too few for a campaign of their own; merge it{target}."
    return make("substantial", found.value, found.warn_threshold, verdict, advice)


def _differentiable(view: _View, make: Maker, segment: str) -> SegmentVerdict:
    """Its customers do something else than those of other segments (C44)."""
    compared = [pair for pair in view.pairs if segment in (pair.first, pair.second)]
    if not compared:
        return make(
            "differentiable",
            None,
            0.0,
            "unknown",
            "Too few of its customers could be watched for 28 days.",
        )
    alike = view.alike(segment)
    if not alike:
        return make(
            "differentiable",
            0.0,
            0.0,
            "pass",
            f"What its customers did differs from all {len(compared)} other segments.",
        )
    names = ", ".join(view.label(name) for name in alike)
    return make(
        "differentiable",
        float(len(alike)),
        0.0,
        "fail" if len(alike) == len(compared) else "warn",
        f"Its customers did the same as those of {names}; merge with {view.label(alike[0])}, or "
        "treat them differently and measure it.",
    )


def _homogeneous(view: _View, make: Maker, segment: str) -> SegmentVerdict:
    """Its customers vary less than all customers do: middle one of the features (C42)."""
    eta2 = view.thresholds["C42"]
    ratios = []
    for rows in grouped(view.night.optional("segment_moments"), "feature").values():
        held = [row for row in rows if row["customers"]]
        own = next((row for row in held if row["segment"] == segment), None)
        if own is None or float(own["customers"]) < (eta2.min_current or 1):
            continue
        whole = total_variance(
            *([float(row[name]) for row in held] for name in ("customers", "mean", "variance"))
        )
        if whole > 0:
            ratios.append(float(own["variance"]) / whole)
    limit = None if eta2.warn is None else 1 - eta2.warn
    if not ratios:
        return make("homogeneous", None, limit, "unknown", "It has too few customers to compare.")
    value = median(ratios)
    verdict: SegmentStatus = "pass"
    if eta2.error is not None and value > 1 - eta2.error:
        verdict = "fail"
    elif limit is not None and value > limit:
        verdict = "warn"
    advice = f"Its customers vary {written(value, 'share')} as much as all customers do"
    if verdict != "pass":
        advice += "; split it, or cut it closer"
    return make("homogeneous", value, limit, verdict, f"{advice}.")


def _actionable(view: _View, make: Maker, segment: str) -> SegmentVerdict:
    """It has an action of its own, a channel and an aim."""
    row = view.aims.get(segment)
    if row is None:
        return make(
            "actionable", None, 0.0, "fail", "The rules name it, and nothing is done for it."
        )
    action = str(row["action"] or "").strip()
    lacking = missing_aims(row)
    if str(row["channel"] or "").strip().lower() in PLACEHOLDERS:
        lacking = ["channel", *lacking]
    if action.lower().rstrip(".") in PLACEHOLDERS:
        return make(
            "actionable",
            float(len(lacking) + 1),
            0.0,
            "fail",
            "It has no action; say what is done for its customers, or merge it.",
        )
    if view.actions[action] > 1:
        return make(
            "actionable",
            float(len(lacking) + 1),
            0.0,
            "warn",
            "Another segment has the same action; merge the two, or treat them differently.",
        )
    if lacking:
        return make(
            "actionable",
            float(len(lacking)),
            0.0,
            "warn",
            f"It lacks {', '.join(lacking)}; without an aim nobody can tell whether it works.",
        )
    return make("actionable", 0.0, 0.0, "pass", "It has an action and an aim of its own.")


def _stable(view: _View, make: Maker, segment: str) -> SegmentVerdict:
    """Its share moves as usual, and its customers do not come and go (C22, C23, C34)."""
    found = [
        one
        for check_id in ("C23", "C22", "C34")
        if (one := view.results.get((check_id, segment))) is not None
        and one.status != "insufficient_data"
    ]
    if not found:
        return make("stable", None, None, "unknown", "It is too early to judge its stability.")
    worst = min(found, key=lambda one: WORST.index(VERDICT_OF[one.status]))
    return make(
        "stable",
        worst.value,
        worst.warn_threshold,
        VERDICT_OF[worst.status],
        worst.message,
    )
