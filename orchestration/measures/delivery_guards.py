"""What speaks against sending a list: numbers against the limits of its destination.

Everything here works on plain values. The numbers are counted by
`orchestration.activation.planning` and `orchestration.activation.evidence`; texts come from the
seed `delivery_guards`; what a stopped list still sends is decided by
`orchestration.activation.delivering`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Set

Status: TypeAlias = Literal["pass", "warn", "error", "approved"]
GUARDS = tuple(f"G{number:02}" for number in range(1, 13))
# What nobody may let go: consent, suppression, the form of the rows, and a missing verdict, which
# is refused before there is a list.
UNAPPROVABLE = frozenset({"G06", "G07", "G08", "G10"})
# These only ever warn: what they find has been left out of the list already.
NEVER_STOPS = frozenset({"G09"})
STOPS = ("above", "below")


@dataclass(frozen=True)
class Guard:
    """One row of `delivery_guards`.

    Attributes:
        check_id: G01 to G12.
        check_name: Its name.
        title: What it looks at, for people.
        stops: On which side of the limit a list is stopped.
        warns_at: The part of the limit from which on it warns; none never warns.
        can_be_approved: Whether a person may let a list go in spite of it.
        measures: What is counted.
        why: What it is good for.
        remedy: What to do.
    """

    check_id: str
    check_name: str
    title: str
    stops: str
    warns_at: float | None
    can_be_approved: bool
    measures: str
    why: str
    remedy: str


@dataclass(frozen=True)
class Counts:
    """How much a plan would change, in members.

    Attributes:
        previous: Those that the destination should have by what was let go before.
        desired: Those that it should have now.
        added: New ones that were not let go before.
        removed: Those who left by the rules, and whose removal was not let go before.
    """

    previous: int
    desired: int
    added: int
    removed: int


@dataclass(frozen=True)
class Limits:
    """How much may change without a person looking at it.

    Attributes:
        judged_from: The smallest number of members whose shares are judged.
        max_removed_share: The largest share of members that may be removed.
        max_removed: The most members that may be removed, whatever the share.
        max_added_share: The largest number of new members as a share of the present ones.
        minimum_size: The fewest members that the destination can use.
    """

    judged_from: int
    max_removed_share: float
    max_removed: int
    max_added_share: float
    minimum_size: int


@dataclass(frozen=True)
class Evidence:
    """What was found about a list besides its size.

    Attributes:
        without_consent: Members without a yes, or with a no where a yes is not needed.
        suppressed: Members on a suppression list.
        malformed: Rows that the destination must not get as they are.
        over_cap: Candidates who were written to more often than the cap allows.
        was_let_go: Whether a list was ever let go before.
        has_new_rules: Whether the rules are others than those of the last list that was let go.
        held_segments: Segments of the audience that a check holds.
    """

    without_consent: int = 0
    suppressed: int = 0
    malformed: int = 0
    over_cap: int = 0
    was_let_go: bool = False
    has_new_rules: bool = False
    held_segments: int = 0


@dataclass(frozen=True)
class Judgement:
    """What one guard says.

    Attributes:
        check_id: The guard.
        status: pass, warn, error or approved (an error that a person accepted).
        value: What was counted.
        limit: Beyond which it is an error.
    """

    check_id: str
    status: Status
    value: float
    limit: float


@dataclass(frozen=True)
class Decision:
    """Whether a plan may go out; when it is stopped, only protected removals do."""

    judgements: tuple[Judgement, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """The guards that speak against it."""
        return self._with("error")

    @property
    def warnings(self) -> tuple[str, ...]:
        """The guards that say that somebody should look at it."""
        return self._with("warn")

    @property
    def is_stopped(self) -> bool:
        """Whether anything speaks against it."""
        return bool(self.reasons)

    def _with(self, status: Status) -> tuple[str, ...]:
        return tuple(one.check_id for one in self.judgements if one.status == status)


def judge(
    counts: Counts,
    limits: Limits,
    guards: Mapping[str, Guard],
    evidence: Evidence | None = None,
    approved: Set[str] = frozenset(),
) -> Decision:
    """Stop what is more likely a mistake than the truth, and what must not be sent at all.

    Args:
        counts: What would change.
        limits: What the destination allows.
        guards: All guards, by id.
        evidence: What was found about the rows; nothing by default.
        approved: Guards whose error a person accepted for this very list.

    Returns:
        A judgement per guard, in the order of their ids.
    """
    found = evidence or Evidence()
    previous = counts.previous
    is_judged = previous > 0 and previous >= limits.judged_from
    numbers: dict[str, tuple[float, float]] = {
        "G01": (counts.removed / previous if is_judged else 0.0, limits.max_removed_share),
        "G02": (counts.removed, limits.max_removed),
        "G03": (_share_added(counts, limits, found), limits.max_added_share),
        "G04": (float(previous > 0 and counts.desired == 0), 0.0),
        "G05": (counts.desired, limits.minimum_size),
        "G06": (found.without_consent, 0.0),
        "G07": (found.suppressed, 0.0),
        "G08": (found.malformed, 0.0),
        "G09": (found.over_cap, 0.0),
        "G11": (float(found.has_new_rules), 0.0),
        "G12": (found.held_segments, 0.0),
    }
    return Decision(
        tuple(
            _judgement(guards[check_id], value, limit, is_approved=check_id in approved)
            for check_id, (value, limit) in numbers.items()
        )
    )


def _share_added(counts: Counts, limits: Limits, found: Evidence) -> float:
    """Compare the new members with the present ones; a first list has none to compare with."""
    if counts.previous:
        return counts.added / counts.previous
    # A large list that comes back after it was emptied is no first one.
    comes_back = found.was_let_go and counts.added >= max(limits.judged_from, 1)
    return math.inf if comes_back else 0.0


def _judgement(guard: Guard, value: float, limit: float, *, is_approved: bool) -> Judgement:
    def is_beyond(end: float) -> bool:
        return value < end if guard.stops == "below" else value > end

    status: Status = "pass"
    if is_beyond(limit) and guard.check_id not in NEVER_STOPS:
        status = "approved" if is_approved and guard.can_be_approved else "error"
    elif guard.warns_at is not None and is_beyond(limit * guard.warns_at):
        status = "warn"
    return Judgement(guard.check_id, status, value, limit)
