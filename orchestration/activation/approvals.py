"""Stopped lists that a person lets go: which guards were accepted, by whom and why.

An approval holds for one guard and for one list: one audience on one as-of date, made of one
generation. Approvals of checks of the whole publication are in `orchestration.gate`.
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
        f"select generation, reasons from {SCHEMA}.deliveries"
        " where audience = ? and as_of_date = ? order by run_number desc limit 1",
        [audience, as_of],
    )
    if not stopped or guard.check_id not in json.loads(stopped[0][1]):
        raise ApprovalError(
            f"{guard.check_name} stopped no list of that audience as of {as_of}:"
            " see `lifestage plan` and run `lifestage deliver`"
        )
    row = [audience, as_of, stopped[0][0], guard.check_id, by, reason]
    same = " and ".join(f"{name} = ?" for name in APPROVALS.names)
    with transaction(session):
        if not session.fetch(f"select 1 from {SCHEMA}.approvals where {same}", row):
            session.run(f"insert into {SCHEMA}.approvals values (?, ?, ?, ?, ?, ?)", row)


def approved_guards(session: Session, delivery: Delivery) -> frozenset[str]:
    """Tell which guards were accepted for this very list."""
    rows = session.fetch(
        f"select distinct check_id from {SCHEMA}.approvals"
        " where audience = ? and as_of_date = ? and generation = ?",
        [delivery.audience, delivery.as_of_date, delivery.generation],
    )
    return frozenset(check_id for (check_id,) in rows)
