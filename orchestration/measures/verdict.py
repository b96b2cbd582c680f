"""What the results of a night hold back: the publication, all activation, or single audiences.

How a result comes about is in `orchestration.measures.checks`; that a verdict is kept, read again
and obeyed is the business of `orchestration.gate`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from orchestration.measures.checks import Result

RolledStatus: TypeAlias = Literal["pass", "warn", "error"]


@dataclass(frozen=True)
class RollUp:
    """The results of a night as one verdict.

    Attributes:
        status: `error` if anything is held, else `warn` if any result is a warning or an error of
            a check that blocks nothing, else `pass`.
        held_publication: names of the checks that hold the publication, in order.
        held_activation: names of the checks that hold all activation, those of the publication
            among them.
        held_audiences: names of the checks that hold a single audience, by segment.
        approved: names of the checks that would hold something and were approved by a person.
    """

    status: RolledStatus
    held_publication: tuple[str, ...]
    held_activation: tuple[str, ...]
    held_audiences: Mapping[str, tuple[str, ...]]
    approved: tuple[str, ...]

    @property
    def allows_publication(self) -> bool:
        """Whether the tables may be published."""
        return not self.held_publication

    @property
    def allows_activation(self) -> bool:
        """Whether anything may leave the house."""
        return not self.held_activation


def is_blocking(result: Result) -> bool:
    """Whether a result holds back what it blocks; no data blocks where the check is required."""
    return result.blocks != "none" and (
        result.status == "error" or (result.status == "insufficient_data" and result.is_required)
    )


def roll_up(results: Iterable[Result], approved: Collection[str] = ()) -> RollUp:
    """Make one verdict of the results of a night.

    Args:
        results: of one as-of date.
        approved: names of checks that a person approved for this day. Required checks cannot be
            approved; their names are ignored.
    """
    results = list(results)
    blocking = [one for one in results if is_blocking(one)]
    waived = {one.check for one in blocking if one.check in approved and not one.is_required}
    held = [one for one in blocking if one.is_required or one.check not in waived]
    publication = {one.check for one in held if one.blocks == "publication"}
    activation = publication | {one.check for one in held if one.blocks == "activation"}
    audiences: dict[str, set[str]] = defaultdict(set)
    for one in held:
        if one.blocks == "audience":
            audiences[one.subject].add(one.check)
    status: RolledStatus = "pass"
    if held:
        status = "error"
    elif any(one.status in {"warn", "error"} for one in results):
        status = "warn"
    return RollUp(
        status=status,
        held_publication=tuple(sorted(publication)),
        held_activation=tuple(sorted(activation)),
        held_audiences={segment: tuple(sorted(names)) for segment, names in audiences.items()},
        approved=tuple(sorted(waived)),
    )
