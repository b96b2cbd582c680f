"""Lists that nobody wants any more and a destination still holds: they are emptied.

A list is left behind when its audience is taken out of the rules, goes to another destination or
belongs to another map of segments. Who must leave a list whatever the guards say leaves it at
once; the others when a person lets it be emptied. Which lists are wanted is decided by
`orchestration.audience_delivery`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from orchestration.activation.ledger import SCHEMA
from orchestration.activation.lists import PROTECTED, protected_removals
from orchestration.measures.audience_tables import ANY, Audience
from orchestration.measures.delivery_guards import Limits

if TYPE_CHECKING:
    from collections.abc import Set
    from datetime import date

    from orchestration.measures.audience_tables import AudienceBook, Destination
    from orchestration.warehouse import Session

LEAVING = "delivery_leaving"
# What stands in the ledger for the rules of a list that has none.
NO_RULES = "not in force"
# Whether it may be emptied is one question, and that of the guard audience_empty.
EMPTYING = Limits(
    judged_from=0,
    max_removed_share=1.0,
    max_removed=sys.maxsize,
    max_added_share=1.0,
    minimum_size=0,
)


def former_lists(
    session: Session, wanted: Set[tuple[str, str]], known: Set[str]
) -> list[tuple[str, str]]:
    """Find the lists that are left behind.

    One whose last run removed somebody is told once more, so that no file goes on naming them.

    Args:
        session: The warehouse, with the tables of the ledger.
        wanted: Audience and destination of every list in force.
        known: The destinations that there are; of others only who is held counts.

    Returns:
        Audience and destination of each.
    """
    held = session.fetch(
        f"select audience, destination from {SCHEMA}.members"
        f" union select audience, destination from {SCHEMA}.attempts"
    )
    told = session.fetch(
        "with runs as (select audience, destination, planned, row_number() over"
        " (partition by audience, destination order by run_number desc) as age"
        f" from {SCHEMA}.deliveries)"
        " select audience, destination from runs where age = 1 and planned > 0"
    )
    there = {*held, *((audience, place) for audience, place in told if place in known)}
    return sorted(there - wanted)


def former_removals(
    session: Session, name: str, destination: Destination, book: AudienceBook, as_of: date
) -> str:
    """Write who must leave a list that is left behind, whatever the guards say.

    What it was for may not be known any more, so an objection to any purpose of its channel
    counts.

    Returns:
        The relation of the removals, see `lists.protected_removals`.
    """
    channel = destination.channel
    own = {row.purpose for row in book.audiences if row.audience == name}
    purposes = own or {row.purpose for row in book.consent_requirements if row.channel == channel}
    session.run(
        f"create or replace temp table {LEAVING} (audience varchar, destination varchar,"
        " member_key varchar, customer_id varchar, cause varchar)"
    )
    for purpose in sorted(purposes) or [""]:
        audience = former_audience(name, destination, purpose, as_of)
        protected_removals(session, audience, destination, as_of)
        columns = "audience, destination, member_key, customer_id, cause"
        session.run(f"insert into {LEAVING} ({columns}) select {columns} from {PROTECTED}")
    return LEAVING


def former_audience(name: str, destination: Destination, purpose: str, as_of: date) -> Audience:
    """Stand in for the row that the rules do not have any more."""
    return Audience(
        audience=name,
        preset=ANY,
        name=name,
        description=NO_RULES,
        purpose=purpose,
        kind="state",
        within_days=None,
        segments="",
        stages="",
        min_orders=None,
        max_orders=None,
        min_monetary=None,
        min_silence_days=None,
        max_silence_days=None,
        archive_after_days=None,
        action="leave",
        channel=destination.channel,
        destination=destination.destination,
        priority=0,
        objective="",
        objective_metric="",
        objective_target="",
        owner=destination.owner,
        reviewed_on=as_of,
    )
