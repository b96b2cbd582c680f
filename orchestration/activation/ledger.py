"""The schema `delivery` of the warehouse: what each destination holds, and what is under way.

Only Python writes here. A change is written down before it is sent, so that after any end of the
run it is known what a destination may hold; what it acknowledged is a member or forgotten. Of
people who left nothing is kept once their removal was acknowledged. What is sent is decided by
`orchestration.activation.planning`.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from orchestration.table_contracts import Column, TableContract
from orchestration.warehouse import keep_table, transaction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from orchestration.activation.destinations import Delivery, Operation, Outcome
    from orchestration.measures.delivery_guards import Judgement
    from orchestration.warehouse import Session

SCHEMA = "delivery"
SENDING = "delivery_sending"
OUTCOMES = "delivery_outcomes"
TOLD = "delivery_told"
OUTCOMES_PER_CHANGE = 5000

AUDIENCE = Column("audience", "VARCHAR", "The audience.")
DESTINATION = Column("destination", "VARCHAR", "Where it is sent.")
AS_OF = Column("as_of_date", "DATE", "The day of the delivery.")
GENERATION = Column("generation", "VARCHAR", "The tables that it was made from.")
MEMBER_KEY = Column("member_key", "VARCHAR", "The member, as the destination knows people.")
CUSTOMER_ID = Column("customer_id", "VARCHAR", "The customer behind the key.", is_nullable=True)
ROW_HASH = Column("row_hash", "VARCHAR", "A hash of all that is sent about the member.")

MEMBERS = TableContract(
    (AUDIENCE, DESTINATION, MEMBER_KEY, CUSTOMER_ID, ROW_HASH, GENERATION, AS_OF),
    key=("audience", "destination", "member_key"),
    description="Whom a destination acknowledged to hold."
    " One row per audience, destination and member.",
)
ATTEMPTS = TableContract(
    (
        Column("idempotency_key", "VARCHAR", "The same however often the change is sent."),
        AUDIENCE,
        DESTINATION,
        AS_OF,
        GENERATION,
        MEMBER_KEY,
        CUSTOMER_ID,
        ROW_HASH,
        Column("operation", "VARCHAR", "What is done.", accepted=("add", "remove", "update")),
        Column(
            "status",
            "VARCHAR",
            "What became of it.",
            accepted=("accepted", "rejected", "unknown"),
        ),
        Column("reason", "VARCHAR", "Why it was not accepted, as a code."),
        Column("tries", "INTEGER", "How many runs sent it."),
    ),
    key=("idempotency_key",),
    description="The last change of each member, and all that were not accepted yet; none of"
    " people who left. One row per change.",
)
DELIVERIES = TableContract(
    (
        AUDIENCE,
        DESTINATION,
        AS_OF,
        GENERATION,
        Column("run_number", "BIGINT", "Counts the runs of the audience to the destination."),
        Column("previous", "BIGINT", "Members before the first run of the delivery."),
        Column("desired", "BIGINT", "Members that there should be."),
        Column("planned", "BIGINT", "Changes that the last run was to send."),
        Column("added", "BIGINT", "Additions that were acknowledged."),
        Column("updated", "BIGINT", "Updates that were acknowledged."),
        Column("removed", "BIGINT", "Removals that were acknowledged."),
        Column("rejected", "BIGINT", "Changes that the destination rejects."),
        Column("unknown", "BIGINT", "Changes of which nobody knows whether they were taken."),
        Column(
            "status",
            "VARCHAR",
            "How it ended; open while it runs, and after it was killed.",
            accepted=("open", "complete", "incomplete", "stopped"),
        ),
        Column("reasons", "VARCHAR", "Guards that stopped it, as JSON."),
        Column("judged_rules", "VARCHAR", "A hash of the rules that made the list."),
        Column("rules_hash", "VARCHAR", "That of the last list that was let go.", is_nullable=True),
        Column("started_at", "TIMESTAMPTZ", "When its last run began."),
        Column("finished_at", "TIMESTAMPTZ", "When its last run ended.", is_nullable=True),
    ),
    key=("audience", "destination", "as_of_date", "generation"),
    description="What was delivered. One row per audience, destination, day and generation.",
)
LET_GO = TableContract(
    (
        AUDIENCE,
        DESTINATION,
        MEMBER_KEY,
        CUSTOMER_ID,
        Column("operation", "VARCHAR", "What may be done.", accepted=("add", "remove")),
    ),
    key=("audience", "destination", "member_key"),
    description="Additions, and removals by the rules, that the guards let go and no destination"
    " has acknowledged: they are not judged again. One row per audience, destination and member.",
)
GUARDED = TableContract(
    (
        AUDIENCE,
        DESTINATION,
        AS_OF,
        GENERATION,
        Column("check_id", "VARCHAR", "The guard, see docs/checks.md."),
        Column(
            "status", "VARCHAR", "What it said.", accepted=("pass", "warn", "error", "approved")
        ),
        Column("value", "DOUBLE", "What it counted."),
        Column("limit_value", "DOUBLE", "Beyond which it stops the list."),
    ),
    key=("audience", "destination", "as_of_date", "generation", "check_id"),
    description="What the guards said of the last run of each delivery."
    " One row per delivery and guard.",
)
APPROVALS = TableContract(
    (
        AUDIENCE,
        DESTINATION,
        AS_OF,
        GENERATION,
        Column("judged_rules", "VARCHAR", "A hash of the rules that made the list."),
        Column("check_id", "VARCHAR", "The guard whose error is accepted."),
        Column("approved_by", "VARCHAR", "Who accepted it."),
        Column("reason", "VARCHAR", "Why."),
    ),
    key=(
        *("audience", "destination", "as_of_date", "generation", "judged_rules"),
        *("check_id", "approved_by", "reason"),
    ),
    description="Stopped lists that a person let go. One row per list, guard and approval.",
)
TABLES = {
    "members": MEMBERS,
    "attempts": ATTEMPTS,
    "deliveries": DELIVERIES,
    "let_go": LET_GO,
    "guards": GUARDED,
    "approvals": APPROVALS,
}

# The same key as that of `idempotency_key`, of the relations `asked` and `changes` of a plan.
KEY_SQL = """sha256(concat_ws(
                    chr(31), asked.audience, asked.destination, asked.as_of_date,
                    asked.generation, asked.run_number, changes.row_hash, changes.operation,
                    changes.member_key
                ))"""


def idempotency_key(
    delivery: Delivery, run_number: int, row_hash: str, operation: Operation, member_key: str
) -> str:
    """Name a change, so that a destination knows it again.

    The member is part of it because rows of two members may be alike otherwise, and the run
    because a member may leave and come back within one day and generation.

    Returns:
        A SHA-256 in hexadecimal digits.
    """
    place = (delivery.audience, delivery.destination, delivery.as_of_date.isoformat())
    parts = (*place, delivery.generation, str(run_number), row_hash, operation, member_key)
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def make_tables(session: Session) -> None:
    """Make the schema and its tables; a table of an earlier version gets the columns it lacks."""
    session.run(f"create schema if not exists {SCHEMA}")
    for name, contract in TABLES.items():
        keep_table(session, SCHEMA, name, contract.described)


def next_run(session: Session, delivery: Delivery) -> int:
    """Number the next run of an audience to a destination; the first is 1."""
    return session.fetch(
        f"select coalesce(max(run_number), 0) + 1 from {SCHEMA}.deliveries"
        " where audience = ? and destination = ?",
        _place(delivery),
    )[0][0]


def outstanding(session: Session, delivery: Delivery, plan: str) -> tuple[int, int]:
    """Count the additions and the removals of a plan that were let go before.

    Args:
        session: The warehouse.
        delivery: What is delivered where.
        plan: The relation of planned changes.
    """
    return session.fetch(
        f"""
        select
            count(*) filter (where operation = 'add'),
            count(*) filter (where operation = 'remove')
        from ({_JUDGED.format(plan=plan)}) as judged
        semi join {SCHEMA}.let_go as let_go
            on judged.member_key = let_go.member_key and judged.operation = let_go.operation
            and let_go.audience = ? and let_go.destination = ?
        """,
        _place(delivery),
    )[0]


def let_go(session: Session, delivery: Delivery, plan: str, *, is_stopped: bool) -> None:
    """Remember what of a plan the guards let go; of a stopped one what they did before.

    Args:
        session: The warehouse.
        delivery: What is delivered where.
        plan: The relation of planned changes.
        is_stopped: Whether they stopped it.
    """
    judged = _JUDGED.format(plan=plan)
    here = "audience = ? and destination = ?"
    with transaction(session):
        session.run(
            f"delete from {SCHEMA}.let_go where {here}"
            f" and (not ? or (member_key, operation) not in"
            f" (select (member_key, operation) from ({judged}) as judged))",
            [*_place(delivery), is_stopped],
        )
        if not is_stopped:
            session.run(
                f"insert into {SCHEMA}.let_go ({', '.join(LET_GO.names)})"
                f" select ?, ?, member_key, customer_id, operation from ({judged}) as judged",
                _place(delivery),
            )


def rules_let_go(session: Session, delivery: Delivery) -> str | None:
    """Tell the rules of the last list that was let go; None before the first."""
    rows = session.fetch(
        f"select rules_hash from {SCHEMA}.deliveries"
        " where audience = ? and destination = ? order by run_number desc limit 1",
        _place(delivery),
    )
    return rows[0][0] if rows else None


def record_guards(session: Session, delivery: Delivery, judgements: Sequence[Judgement]) -> None:
    """Write down what the guards said of a delivery, in place of what they said before."""
    with transaction(session):
        session.run(f"delete from {SCHEMA}.guards where {_HERE}", _whole(delivery))
        session.insert(
            f"{SCHEMA}.guards",
            GUARDED.names,
            [
                (*_whole(delivery), one.check_id, one.status, one.value, one.limit)
                for one in judgements
            ],
        )


def open_delivery(
    session: Session, delivery: Delivery, run_number: int, counts: dict[str, Any], now: datetime
) -> None:
    """Write down that a run begins; what earlier runs of the same delivery achieved is kept.

    Args:
        session: The warehouse.
        delivery: What is delivered where.
        run_number: The number of the run.
        counts: Values for the columns previous, desired, planned, judged_rules, rules_hash and
            reasons (a list).
        now: When it begins.
    """
    known = session.fetch_records(
        f"select previous, added, updated, removed from {SCHEMA}.deliveries where {_HERE}",
        _whole(delivery),
    )
    kept = known[0] if known else {"added": 0, "updated": 0, "removed": 0}
    row = {
        **dict(zip(DELIVERIES.key, _whole(delivery), strict=True)),
        **counts,
        **kept,
        "run_number": run_number,
        "rejected": 0,
        "unknown": 0,
        "status": "open",
        "reasons": json.dumps(counts["reasons"]),
        "started_at": now,
        "finished_at": None,
    }
    places = ", ".join("?" for _ in DELIVERIES.names)
    with transaction(session):
        session.run(f"delete from {SCHEMA}.deliveries where {_HERE}", _whole(delivery))
        session.run(
            f"insert into {SCHEMA}.deliveries ({', '.join(DELIVERIES.names)}) values ({places})",
            [row[name] for name in DELIVERIES.names],
        )


def forget_rejected(session: Session, delivery: Delivery, plan: str) -> None:
    """Forget the rejected changes that are not planned any more: they changed nothing.

    Args:
        session: The warehouse.
        delivery: What is delivered where.
        plan: The relation of planned changes.
    """
    session.run(
        f"delete from {SCHEMA}.attempts where audience = ? and destination = ?"
        f" and status = 'rejected' and idempotency_key not in (select idempotency_key from {plan})",
        _place(delivery),
    )


def intend(session: Session, delivery: Delivery) -> None:
    """Write down that the changes of the table `delivery_sending` are about to be sent."""
    with transaction(session):
        session.run(
            f"""
            create or replace temp table delivery_tries as
            select sending.*, coalesce(attempts.tries, 0) + 1 as tries
            from {SENDING} as sending
            left join {SCHEMA}.attempts as attempts
                on sending.idempotency_key = attempts.idempotency_key
            """
        )
        session.run(
            f"delete from {SCHEMA}.attempts"
            f" where idempotency_key in (select idempotency_key from {SENDING})"
        )
        session.run(
            f"""
            insert into {SCHEMA}.attempts ({", ".join(ATTEMPTS.names)})
            select
                idempotency_key, ?, ?, as_of_date, generation, member_key, customer_id, row_hash,
                operation, 'unknown', '', tries
            from delivery_tries
            """,
            _place(delivery),
        )


def record(session: Session, delivery: Delivery, outcomes: Sequence[Outcome]) -> None:
    """Write down what became of changes of the table `delivery_sending`.

    What the destination says of other changes is not believed; of what it says twice, the worse
    is.
    """
    for start in range(0, len(outcomes), OUTCOMES_PER_CHANGE):
        part = outcomes[start : start + OUTCOMES_PER_CHANGE]
        with transaction(session):
            _stage_outcomes(session, part)
            _apply_outcomes(session, delivery)


def close_delivery(session: Session, delivery: Delivery, now: datetime, *, is_sent: bool) -> str:
    """Write down how a run ended.

    Args:
        session: The warehouse.
        delivery: What is delivered where.
        now: When it ended.
        is_sent: Whether all that was let go was sent.

    Returns:
        Its status; a removal that the destination rejects leaves the delivery incomplete.
    """
    session.run(
        f"""
        update {SCHEMA}.deliveries
        set
            finished_at = ?,
            rejected = open_changes.rejected,
            unknown = open_changes.unknown,
            status = case
                -- Who must leave and may not is as urgent as what nobody knows.
                when not ? or open_changes.unknown + open_changes.kept > 0 then 'incomplete'
                when reasons <> '[]' then 'stopped'
                else 'complete'
            end
        from (
            select
                count(*) filter (where status = 'rejected') as rejected,
                count(*) filter (where status = 'unknown') as unknown,
                count(*) filter (where status = 'rejected' and operation = 'remove') as kept
            from {SCHEMA}.attempts
            where audience = ? and destination = ?
        ) as open_changes
        where {_HERE}
        """,
        [now, is_sent, *_place(delivery), *_whole(delivery)],
    )
    query = f"select status from {SCHEMA}.deliveries where {_HERE}"
    return session.fetch(query, _whole(delivery))[0][0]


def read_delivery(session: Session, delivery: Delivery) -> dict[str, Any]:
    """Read what was written down of a delivery; empty if nothing was."""
    query = f"select * from {SCHEMA}.deliveries where {_HERE}"
    rows = session.fetch_records(query, _whole(delivery))
    return rows[0] if rows else {}


def rejections(session: Session, delivery: Delivery) -> dict[str, int]:
    """Count the rejected changes of an audience at a destination by reason."""
    return dict(
        session.fetch(
            f"select reason, count(*) from {SCHEMA}.attempts where audience = ?"
            " and destination = ? and status = 'rejected' group by reason order by reason",
            _place(delivery),
        )
    )


_HERE = "audience = ? and destination = ? and as_of_date = ? and generation = ?"
# The changes of a plan that the guards judge: who is new to the ledger, who leaves it by the rules.
_JUDGED = """
    select member_key, customer_id, operation from {plan}
    where operation = 'add' and not is_held or cause = 'segment' and is_held
"""


def _place(delivery: Delivery) -> list[Any]:
    return [delivery.audience, delivery.destination]


def _whole(delivery: Delivery) -> list[Any]:
    return [*_place(delivery), delivery.as_of_date, delivery.generation]


def _stage_outcomes(session: Session, outcomes: Sequence[Outcome]) -> None:
    columns = ("idempotency_key", "status", "reason")
    listed = ", ".join(f"{name} varchar" for name in columns)
    session.run(f"create or replace temp table {TOLD} ({listed})")
    session.insert(
        TOLD, columns, [(one.idempotency_key, one.status, one.reason) for one in outcomes]
    )
    session.run(
        f"""
        create or replace temp table {OUTCOMES} as
        with worst as (
            select idempotency_key, max(status) as status, max(reason) as reason
            from {TOLD}
            group by idempotency_key
        )
        select sending.*, worst.status, if(worst.status = 'accepted', '', worst.reason) as reason
        from {SENDING} as sending
        inner join worst on sending.idempotency_key = worst.idempotency_key
        """
    )


def _apply_outcomes(session: Session, delivery: Delivery) -> None:
    place = _place(delivery)
    accepted = f"select * from {OUTCOMES} where status = 'accepted'"
    removed = f"select member_key from ({accepted}) as accepted where operation = 'remove'"
    taken = f"select * from ({accepted}) as accepted where operation <> 'remove'"
    session.run(
        f"update {SCHEMA}.attempts set status = outcomes.status, reason = outcomes.reason"
        f" from {OUTCOMES} as outcomes"
        f" where {SCHEMA}.attempts.idempotency_key = outcomes.idempotency_key"
    )
    session.run(
        f"delete from {SCHEMA}.members where audience = ? and destination = ?"
        f" and member_key in (select member_key from ({accepted}) as accepted)",
        place,
    )
    session.run(
        f"delete from {SCHEMA}.let_go where audience = ? and destination = ?"
        f" and (member_key, operation) in"
        f" (select (member_key, operation) from ({accepted}) as accepted)",
        place,
    )
    # Nothing stays of who left; of who is there only what is on its way together with this.
    session.run(
        f"delete from {SCHEMA}.attempts where audience = ? and destination = ?"
        f" and (member_key in ({removed}) or member_key in (select member_key from ({taken}) as t))"
        f" and idempotency_key not in"
        f" (select idempotency_key from {SENDING} where operation <> 'remove')",
        place,
    )
    session.run(
        f"""
        insert into {SCHEMA}.members ({", ".join(MEMBERS.names)})
        select ?, ?, member_key, customer_id, row_hash, generation, as_of_date
        from ({taken}) as taken
        """,
        place,
    )
    session.run(
        f"""
        update {SCHEMA}.deliveries as deliveries
        set
            added = deliveries.added + of_these.added,
            updated = deliveries.updated + of_these.updated,
            removed = deliveries.removed + of_these.removed
        from (
            select
                count(*) filter (where operation = 'add') as added,
                count(*) filter (where operation = 'update') as updated,
                count(*) filter (where operation = 'remove') as removed
            from ({accepted}) as accepted
        ) as of_these
        where {_HERE}
        """,
        _whole(delivery),
    )
