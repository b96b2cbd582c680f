"""One verdict per segment and criterion of usefulness, with advice.

The criteria are those that guides on segmentation ask of a segment: measurable, accessible,
substantial, differentiable, homogeneous, actionable, stable. The checks that they rest on are in
`orchestration.measures.judges`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from datetime import date

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
