"""Stopped lists that a person lets go: which guards were accepted, by whom and why.

An approval holds for one guard and for one list: one audience at one destination on one as-of
date, made of one generation by one set of rules. Approvals of checks of the whole publication are
in `orchestration.gate`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from orchestration.activation.ledger import APPROVALS, SCHEMA, make_tables
from orchestration.warehouse import transaction

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from orchestration.activation.destinations import Delivery
    from orchestration.measures.delivery_guards import Guard
    from orchestration.warehouse import Session


class ApprovalError(Exception):
    """A list that cannot be let go; one line with the remedy."""


def approve_list(
    session: Session,
    guards: Mapping[str, Guard],
    audience: str,
    check: str,
    as_of: date,
    *,
    by: str,
    reason: str,
) -> None:
    """Note that a person lets a stopped list go in spite of one guard.

    Args:
        session: The warehouse, open for writing.
        guards: All guards, by id.
        audience: The audience whose list was stopped.
        check: The id or the name of the guard.
        as_of: The day of the list.
        by: Who accepts it.
        reason: Why.

    Raises:
        ApprovalError: Nobody may accept that, or no such list was stopped.
    """
    by, reason = " ".join(by.split()), " ".join(reason.split())
    if not by or not reason:
        raise ApprovalError("an approval needs a name and a reason: give --by and --reason")
    own = [guard for guard in guards.values() if check in (guard.check_id, guard.check_name)]
    if not own:
        raise ApprovalError(f"no guard of that name; known are {', '.join(guards)}")
    guard = own[0]
    if not guard.can_be_approved:
        raise ApprovalError(f"{guard.check_name} cannot be approved: {guard.remedy}")
    make_tables(session)
    stopped = session.fetch(
        f"select destination, generation, judged_rules, reasons from {SCHEMA}.deliveries"
        " where audience = ? and as_of_date = ?"
        " qualify row_number() over (partition by destination order by run_number desc) = 1"
        " order by destination",
        [audience, as_of],
    )
    lists = [row[:3] for row in stopped if guard.check_id in json.loads(row[3])]
    if not lists:
        raise ApprovalError(
            f"{guard.check_name} stopped no list of that audience as of {as_of}:"
            " see `lifestage plan` and run `lifestage deliver`"
        )
    same = " and ".join(f"{name} is not distinct from ?" for name in APPROVALS.names)
    places = ", ".join("?" for _ in APPROVALS.names)
    with transaction(session):
        for destination, generation, rules in lists:
            row = [audience, destination, as_of, generation, rules, guard.check_id, by, reason]
            if not session.fetch(f"select 1 from {SCHEMA}.approvals where {same}", row):
                session.run(f"insert into {SCHEMA}.approvals values ({places})", row)


def approved_guards(session: Session, delivery: Delivery, rules_hash: str) -> frozenset[str]:
    """Tell which guards were accepted for this very list, made by these very rules."""
    rows = session.fetch(
        f"select distinct check_id from {SCHEMA}.approvals where audience = ?"
        " and destination = ? and as_of_date = ? and generation = ? and judged_rules = ?",
        [
            *(delivery.audience, delivery.destination),
            *(delivery.as_of_date, delivery.generation, rules_hash),
        ],
    )
    return frozenset(check_id for (check_id,) in rows)
