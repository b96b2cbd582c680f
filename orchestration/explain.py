"""Why a customer has a label: the evidence behind one row of the timeline, in plain values.

Everything is read from what the run computed, nothing is computed again; printing is the business
of `orchestration.cli`. It is the one place that reads single orders from staging, because a person
who asks why wants to see them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.warehouse import WarehouseError

if TYPE_CHECKING:
    from datetime import date

    from orchestration.warehouse import Session

Record = dict[str, Any]
ORDERS_SHOWN = 200
AS_OF_DATES = ("intermediate", "int_as_of_dates")


class UnknownCustomerError(Exception):
    """The tables do not know the customer on that day."""


@dataclass(frozen=True)
class Explanation:
    """What there is to say about a customer on a day."""

    day: date
    newest_day: date
    state: Record
    orders: list[Record]
    orders_in_all: int
    bins: list[Record]
    rule: Record | None
    changes: list[Record]
    upcoming: list[Record]


def is_built(session: Session) -> bool:
    """Tell whether there are tables to explain."""
    return AS_OF_DATES in session.relations(session.database)


def newest_day(session: Session) -> date:
    """Return the as-of date of the tables.

    Raises:
        WarehouseError: There are none yet.
    """
    if not is_built(session):
        raise WarehouseError("there are no tables yet: run `lifestage refresh` first")
    return session.fetch(f"select max(as_of_date) from {'.'.join(AS_OF_DATES)}")[0][0]


def explain(session: Session, customer_id: str, day: date | None = None) -> Explanation:
    """Gather the evidence for a customer's label.

    Args:
        session: The open warehouse.
        customer_id: Whom it is about.
        day: The day, by default the newest; a later one says what happens without new orders.

    Raises:
        UnknownCustomerError: There is no order up to that day.
    """
    newest = newest_day(session)
    day = day or newest
    timeline = session.fetch_records(
        "select * from marts.customer_timeline where customer_id = ? order by valid_from",
        [customer_id],
    )
    current = [row for row in timeline if row["valid_from"] <= day < row["valid_to"]]
    if not current:
        raise UnknownCustomerError(f"no customer of that id has an order up to {day}")
    # What is in force on the day; an interval names what was in force when it began.
    regime = session.fetch_records(
        "select scorecard_id, ruleset_id from marts.regimes where ? between valid_from and"
        " valid_to - 1",
        [day],
    )[0]
    silence = (day - current[0]["last_order_date"]).days
    state = current[0] | regime | {"days_since_last_order": silence}
    orders, in_all = _orders(session, customer_id, min(day, newest))
    changes = _changes(timeline)
    return Explanation(
        day=day,
        newest_day=newest,
        state=state,
        orders=orders,
        orders_in_all=in_all,
        bins=_bins(session, state),
        rule=_rule(session, state, day),
        changes=[row for row in changes if row["valid_from"] <= day],
        upcoming=[row for row in changes if row["valid_from"] > day],
    )


def _orders(session: Session, customer_id: str, day: date) -> tuple[list[Record], int]:
    """The newest orders that stand behind the state, also those of accounts taken over by then."""
    accounts = (
        "select ? as customer_id union"
        " select customer_id from intermediate.int_account_holders"
        " where holder_id = ? and held_from <= ?"
    )
    where = f"where order_date <= ? and customer_id in ({accounts})"
    values = [day, customer_id, customer_id, day]
    rows = session.fetch_records(
        "select order_date, order_id, gross_amount, refunded_amount, is_counted"
        f" from staging.stg_shop__orders {where} order by order_date desc, order_id desc"
        f" limit {ORDERS_SHOWN}",
        values,
    )
    in_all = session.fetch(f"select count(*) from staging.stg_shop__orders {where}", values)
    return rows, in_all[0][0]


def _bins(session: Session, state: Record) -> list[Record]:
    """The cut points that the three scores were read from."""
    return session.fetch_records(
        "select metric, score, above_value, up_to_value, calibrated_on from marts.scorecards"
        " where scorecard_id = ? and (metric, score) in (('recency', ?), ('frequency', ?),"
        " ('monetary', ?)) order by array_position(['recency', 'frequency', 'monetary'], metric)",
        [state["scorecard_id"], state["r_score"], state["f_score"], state["m_score"]],
    )


def _rule(session: Session, state: Record, day: date) -> Record | None:
    """The first rule that holds for the scores, in the version in force on the day."""
    preset = state["ruleset_id"].rsplit("@", 1)[0]
    rows = session.fetch_records(
        "with versions as (select distinct valid_from from rules.segment_rules where preset = ?),"
        " in_force as (select coalesce(max(valid_from) filter (where valid_from <= ?),"
        " min(valid_from)) as valid_from from versions)"
        " select segment_rules.* from rules.segment_rules inner join in_force using (valid_from)"
        " where preset = ? and ? between r_min and r_max and ? between f_min and f_max"
        " and ? between m_min and m_max order by priority limit 1",
        [preset, day, preset, state["r_score"], state["f_score"], state["m_score"]],
    )
    return rows[0] if rows else None


def _changes(timeline: list[Record]) -> list[Record]:
    """The rows that changed the segment or the stage, with what they were before."""
    changes: list[Record] = []
    before: Record | None = None
    for row in timeline:
        label = (row["segment"], row["lifecycle_stage"])
        if before is None or label != (before["segment"], before["lifecycle_stage"]):
            changes.append(row)
        before = row
    return changes
