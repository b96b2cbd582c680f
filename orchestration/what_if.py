"""What another cell map would do: who would move, from where to where, with how much money.

The customers stay in the warehouse: it joins them with the 125 cells of the map and returns sums.
Reading and judging rules is the business of `orchestration.rules` and `orchestration.measures`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from orchestration.measures.rules import SegmentRule, cell_map
from orchestration.rules import RuleFileError, read_table

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from orchestration.warehouse import Session

NO_RULE = "(no rule)"


@dataclass(frozen=True)
class Move:
    """Customers who would change from one segment to another."""

    from_segment: str
    to_segment: str
    customers: int
    monetary: Decimal


@dataclass(frozen=True)
class Outcome:
    """What a candidate would change."""

    preset: str
    customers: int
    monetary: Decimal
    moves: tuple[Move, ...]

    @property
    def moved_customers(self) -> int:
        """How many would change segment."""
        return sum(move.customers for move in self.moves)

    @property
    def moved_monetary(self) -> Decimal:
        """The money of those who would change segment."""
        return sum((move.monetary for move in self.moves), Decimal(0))


def read_candidate(path: Path, preset: str) -> tuple[str, tuple[SegmentRule, ...]]:
    """Read candidate rules and decide which preset of the file is meant.

    Args:
        path: A table like `segment_rules.csv`.
        preset: The preset in use, which is meant unless the file has only another one.

    Raises:
        RuleFileError: The file cannot be read, or several presets could be meant.
    """
    rules = read_table(path, SegmentRule)
    given = sorted({rule.preset for rule in rules})
    if preset in given:
        return preset, rules
    if len(given) == 1:
        return given[0], rules
    named = ", ".join(given) or "none"
    raise RuleFileError(f"{path.name}: it has the presets {named}; keep the one that is meant")


def what_if(session: Session, rules: tuple[SegmentRule, ...], preset: str, day: date) -> Outcome:
    """Compare the segments of today with those that the rules would give.

    Args:
        session: The open warehouse.
        rules: The candidate rules.
        preset: Which of them.
        day: The day whose version of the rules counts.
    """
    cells = cell_map(rules, preset, day)
    session.run(
        "create or replace temp table candidate_cells"
        " (r_score integer, f_score integer, m_score integer, segment varchar)"
    )
    session.insert(
        "candidate_cells",
        ("r_score", "f_score", "m_score", "segment"),
        [(*cell, segment) for cell, segment in cells.items()],
    )
    rows = session.fetch(
        "select customers.segment, coalesce(candidate_cells.segment, ?), count(*),"
        " sum(customers.monetary)"
        " from marts.customers left join candidate_cells using (r_score, f_score, m_score)"
        " where customers.segment is not null group by all order by 3 desc, 1, 2",
        [NO_RULE],
    )
    moves = tuple(Move(*row) for row in rows if row[0] != row[1])
    return Outcome(
        preset=preset,
        customers=sum(row[2] for row in rows),
        monetary=sum((row[3] for row in rows), Decimal(0)),
        moves=moves,
    )
