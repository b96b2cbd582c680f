"""What has to be sent so that a destination holds what it should.

A diff in SQL between the members that an audience should have and those that the ledger says the
destination has. Whether it may be sent is judged by `orchestration.measures.delivery_guards`.
Nothing is sent or written down here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.activation.ledger import KEY_SQL, SCHEMA

if TYPE_CHECKING:
    from orchestration.activation.destinations import Delivery
    from orchestration.warehouse import Session

# What somebody says about themselves beats every rule, also for others with the same key.
OBJECTIONS = ("erasure", "suppression", "consent")
PROTECTED = (*OBJECTIONS, "merge")
SEGMENT = "segment"
UNSETTLED = "unsettled"
DESIRED_COLUMNS = ("audience", "destination", "customer_id", "member_key", "row_hash")

WANTED = "delivery_wanted"
CAUSES = "delivery_causes"
PLAN = "delivery_plan"


class PlanError(Exception):
    """The members that an audience should have cannot be used; one line with the remedy."""


@dataclass(frozen=True)
class Plan:
    """What is in the temporary table `delivery_plan`.

    Attributes:
        columns: Names and types of what is sent about a member.
        desired: How many members there should be.
        previous: How many the ledger has.
        added: How many are new to the ledger.
        removed: How many of the ledger left by the rules.
    """

    columns: tuple[tuple[str, str], ...]
    desired: int
    previous: int
    added: int
    removed: int


def make_plan(
    session: Session, delivery: Delivery, run_number: int, *, desired: str, protected: str
) -> Plan:
    """Compare what should be with what the ledger says, into the table `delivery_plan`.

    Args:
        session: The warehouse.
        delivery: What is delivered where.
        run_number: The number of this run, which makes its keys its own.
        desired: A relation with a row per audience, destination and member: audience,
            destination, customer_id, member_key, row_hash and what is sent about the member.
            Of several customers with one key the first by customer_id counts.
        protected: A relation of people who must leave: audience and destination (null for all),
            member_key or customer_id, and a cause out of `PROTECTED`.

    Raises:
        PlanError: Columns are missing, rows have no key or no hash, or a removal names nobody or
            has a cause that is not known.
    """
    columns = _payload_columns(session, desired)
    _refuse_unusable(session, delivery, desired, protected)
    place = [delivery.audience, delivery.destination]
    session.run(_causes_query(desired, protected), place * 4)
    session.run(_wanted_query(desired), place)
    session.run(
        _plan_query(),
        [*place * 3, delivery.as_of_date, delivery.generation, run_number],
    )
    members = f"(select count(*) from {SCHEMA}.members where audience = ? and destination = ?)"
    counts = session.fetch(
        f"""
        select
            (select count(*) from {WANTED}),
            {members},
            count(*) filter (where operation = 'add' and not is_held),
            count(*) filter (where cause = '{SEGMENT}' and is_held)
        from {PLAN}
        """,
        place,
    )[0]
    return Plan(columns, *counts)


def _payload_columns(session: Session, desired: str) -> tuple[tuple[str, str], ...]:
    described = session.shape(f"select * from {desired}")
    missing = set(DESIRED_COLUMNS) - {row[0] for row in described}
    if missing:
        raise PlanError(f"{desired} lacks {', '.join(sorted(missing))}: add the columns")
    return tuple((row[0], row[1]) for row in described if row[0] not in DESIRED_COLUMNS)


def _refuse_unusable(session: Session, delivery: Delivery, desired: str, protected: str) -> None:
    nameless = session.fetch(
        f"select count(*) from {desired} where audience = ? and destination = ?"
        " and (coalesce(member_key, '') = '' or coalesce(row_hash, '') = '')",
        [delivery.audience, delivery.destination],
    )[0][0]
    if nameless:
        raise PlanError(
            f"{nameless} members of {delivery.audience} have no key or no hash: leave them out"
        )
    nameless_removals = session.fetch(
        f"select count(*) from {protected} where member_key is null and customer_id is null"
    )[0][0]
    if nameless_removals:
        raise PlanError(
            f"{nameless_removals} protected removals name nobody: give a key or a customer"
        )
    strange = session.fetch(
        f"select count(*) from {protected}"
        f" where cause is null or cause not in ({_texts(PROTECTED)})"
    )[0][0]
    if strange:
        raise PlanError(f"{strange} removals have a cause that is none of {', '.join(PROTECTED)}")


def _texts(values: tuple[str, ...]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def _causes_query(desired: str, protected: str) -> str:
    """Find for each key the strongest cause to leave, told by the key or by the customer."""
    ranks = ", ".join(f"('{cause}', {rank})" for rank, cause in enumerate(PROTECTED))
    known = " union ".join(
        f"select customer_id, member_key from {relation} where audience = ? and destination = ?"
        for relation in (desired, f"{SCHEMA}.members", f"{SCHEMA}.attempts")
    )
    return f"""
        create or replace temp table {CAUSES} as
        with protected as (
            select * from {protected}
            where (audience is null or audience = ?) and (destination is null or destination = ?)
        ),
        ranks (cause, rank) as (values {ranks}),
        known as ({known}),
        told as (
            select member_key, cause from protected where member_key is not null
            union all
            select known.member_key, protected.cause
            from protected
            inner join known on protected.customer_id = known.customer_id
        )
        select told.member_key, told.cause
        from told
        inner join ranks on told.cause = ranks.cause
        qualify row_number() over (partition by told.member_key order by ranks.rank) = 1
    """


def _wanted_query(desired: str) -> str:
    """Take one row per key of one audience and destination, without those who object."""
    return f"""
        create or replace temp table {WANTED} as
        select wanted.*
        from {desired} as wanted
        left join {CAUSES} as causes
            on wanted.member_key = causes.member_key and causes.cause in ({_texts(OBJECTIONS)})
        where wanted.audience = ? and wanted.destination = ? and causes.member_key is null
        qualify row_number() over (
            partition by wanted.member_key order by wanted.customer_id, wanted.row_hash
        ) = 1
    """


def _plan_query() -> str:
    """Find the changes, in the order in which they are sent.

    A change whose outcome is unknown is sent again under its own key as long as it is still
    wanted. If it is not, nobody knows what the destination holds: the member is removed, and
    added anew once that is acknowledged.
    """
    return f"""
        create or replace temp table {PLAN} as
        with held as (
            select * from {SCHEMA}.members where audience = ? and destination = ?
        ),
        pending as (
            select * from {SCHEMA}.attempts
            where audience = ? and destination = ? and status <> 'accepted'
        ),
        doubts as (
            select
                member_key,
                min(customer_id) as customer_id,
                max(row_hash) as row_hash,
                count(*) as doubts,
                count(*) filter (where operation <> 'update') as doubts_of_presence
            from pending
            where status = 'unknown'
            group by member_key
        ),
        compared as (
            select
                coalesce(due.member_key, held.member_key, doubts.member_key) as member_key,
                coalesce(due.customer_id, held.customer_id, doubts.customer_id) as customer_id,
                due.row_hash as due_hash,
                coalesce(held.row_hash, doubts.row_hash) as held_hash,
                due.member_key is not null as is_due,
                held.member_key is not null as is_held,
                coalesce(doubts.doubts, 0) as doubts,
                coalesce(doubts.doubts_of_presence, 0) as doubts_of_presence,
                if(held.member_key is null, 'add', 'update') as way
            from {WANTED} as due
            full join held on due.member_key = held.member_key
            full join doubts on doubts.member_key = coalesce(due.member_key, held.member_key)
        ),
        last_tries as (
            select * from pending
            qualify row_number() over (
                partition by member_key, operation, row_hash order by status desc, idempotency_key
            ) = 1
        ),
        judged as (
            select
                compared.*,
                last_tries.idempotency_key as known_key,
                -- Of two open changes the older may have come later: only one can be repeated.
                last_tries.idempotency_key is not null
                and compared.doubts = if(last_tries.status = 'unknown', 1, 0) as is_repeatable
            from compared
            left join last_tries
                on
                    compared.member_key = last_tries.member_key
                    and compared.due_hash = last_tries.row_hash
                    and compared.way = last_tries.operation
        ),
        classified as (
            select
                *,
                is_due and doubts > 0 and not is_repeatable
                and (doubts_of_presence > 0 or not is_held) as is_unsettled
            from judged
        ),
        removals as (
            select
                'remove' as operation,
                if(
                    classified.is_due, '{UNSETTLED}', coalesce(causes.cause, '{SEGMENT}')
                ) as cause,
                classified.member_key,
                classified.customer_id,
                classified.held_hash as row_hash,
                min(pending.idempotency_key) as known_key,
                classified.is_held,
                false as needs_removal
            from classified
            left join {CAUSES} as causes on classified.member_key = causes.member_key
            left join pending
                on classified.member_key = pending.member_key and pending.operation = 'remove'
            where classified.is_unsettled or not classified.is_due
            group by all
        ),
        others as (
            select
                if(is_unsettled, 'add', way) as operation,
                'desired' as cause,
                member_key,
                customer_id,
                due_hash as row_hash,
                if(is_repeatable, known_key, null) as known_key,
                is_held,
                is_unsettled as needs_removal
            from classified
            where is_due and (not is_held or doubts > 0 or due_hash is distinct from held_hash)
        ),
        changes as (
            select * from removals
            union all
            select * from others
        ),
        asked as (
            select
                ? as audience, ? as destination, ? as as_of_date, ? as generation,
                ? as run_number
        )
        select
            row_number() over (
                order by
                    case
                        when changes.cause in ({_texts(PROTECTED)}) then 0
                        when changes.operation = 'remove' then 1
                        else 2
                    end,
                    changes.operation,
                    changes.member_key
            ) as position,
            changes.operation,
            changes.cause,
            changes.member_key,
            changes.customer_id,
            coalesce(pending.row_hash, changes.row_hash) as row_hash,
            coalesce(pending.as_of_date, asked.as_of_date) as as_of_date,
            coalesce(pending.generation, asked.generation) as generation,
            coalesce(
                pending.idempotency_key, {KEY_SQL}
            ) as idempotency_key,
            changes.is_held,
            changes.needs_removal,
            changes.cause in ({_texts(PROTECTED)}) as is_protected
        from changes
        cross join asked
        left join pending on changes.known_key = pending.idempotency_key
    """
