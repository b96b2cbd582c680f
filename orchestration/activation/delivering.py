"""One run: from the plan to what the destination acknowledged.

What a run does not finish the next one does. The order of the steps is what keeps rows from being
lost or doubled: write down, send, write down what became of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.activation import ledger
from orchestration.activation.destinations import Batch, DestinationError, Row
from orchestration.activation.ledger import SCHEMA, SENDING
from orchestration.activation.planning import PLAN, WANTED, make_plan
from orchestration.measures.delivery_guards import Counts, Decision
from orchestration.warehouse import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from orchestration.activation.destinations import Delivery, Destination
    from orchestration.activation.planning import Plan
    from orchestration.warehouse import Session

ROWS_PER_PAGE = 5000
MEMBERS_AFTER = "delivery_members_after"
# A destination that takes nothing of so many batches in turn is left alone until the next run.
MOST_SILENT_BATCHES = 3


@dataclass(frozen=True)
class DeliveryReport:
    """How a run ended, in counts.

    Attributes:
        delivery: What was delivered where.
        status: complete, stopped (by a guard; only protected removals went out) or incomplete.
        decision: What the guards said.
        counts: What they judged.
        added: Additions that the runs of this delivery achieved.
        updated: Updates, likewise.
        removed: Removals, likewise.
        rejected: Reasons why changes are rejected, with their numbers; the next run sends them
            again.
        unknown: Changes that were sent and not answered.
        unusable: Members whose address or number the destination cannot use.
        trouble: Why it could not be brought to its end, in one line; empty if it was.
    """

    delivery: Delivery
    status: str
    decision: Decision
    counts: Counts
    added: int
    updated: int
    removed: int
    rejected: dict[str, int]
    unknown: int
    unusable: int = 0
    trouble: str = ""


@dataclass(frozen=True)
class PreparedDelivery:
    """A delivery that was planned and judged; the plan lies in the table `delivery_plan`.

    Attributes:
        delivery: What is delivered where.
        run_number: The number of the run.
        plan: What is planned.
        counts: What the guards judged.
        decision: What the guards said.
        rules_hash: The rules that made the list.
    """

    delivery: Delivery
    run_number: int
    plan: Plan
    counts: Counts
    decision: Decision
    rules_hash: str


def prepare_delivery(
    session: Session,
    delivery: Delivery,
    *,
    desired: str,
    protected: str,
    judge: Callable[[Counts], Decision],
    rules_hash: str,
) -> PreparedDelivery:
    """Plan what brings one destination to hold the members of one audience, and judge it.

    Args:
        session: The warehouse, with the tables of the ledger.
        delivery: What is delivered where.
        desired: The relation of the members that there should be, see `planning.make_plan`.
        protected: The relation of those who must leave whatever the guards say.
        judge: Says what speaks against sending it.
        rules_hash: The rules that made the list.

    Raises:
        PlanError: The relations cannot be used.
    """
    run_number = ledger.next_run(session, delivery)
    plan = make_plan(session, delivery, run_number, desired=desired, protected=protected)
    counts = _counts(plan, *ledger.outstanding(session, delivery, PLAN))
    return PreparedDelivery(delivery, run_number, plan, counts, judge(counts), rules_hash)


def send_delivery(
    session: Session,
    prepared: PreparedDelivery,
    destination: Destination,
    *,
    now: Callable[[], datetime],
    reached: Callable[[str], None] = lambda _: None,
) -> DeliveryReport:
    """Send what was planned, or of a stopped list what nothing may stop.

    Args:
        session: The session that planned it.
        prepared: What is to be sent.
        destination: Takes the rows.
        now: Tells the time for the ledger.
        reached: Told the steps: opened, and for each batch intended, sent, recorded.

    Raises:
        DestinationError: The destination cannot be used; the next run goes on from there.
    """
    run = _Run(session, prepared)
    run.open(now())
    reached("opened")
    is_sent = False
    try:
        is_sent = run.send(destination, reached)
    except DestinationError:
        ledger.close_delivery(session, prepared.delivery, now(), is_sent=False)
        raise
    ledger.close_delivery(session, prepared.delivery, now(), is_sent=is_sent)
    return run.report()


def broken_report(
    session: Session, delivery: Delivery, trouble: str, prepared: PreparedDelivery | None = None
) -> DeliveryReport:
    """Tell of a delivery that broke off what is known of it.

    Args:
        session: The warehouse, with the tables of the ledger.
        delivery: What was to be delivered where.
        trouble: What is wrong and what to do, in one line.
        prepared: What was to be sent, if it came as far.
    """
    known = ledger.read_delivery(session, delivery) if prepared else {}
    return DeliveryReport(
        delivery=delivery,
        status="incomplete",
        decision=prepared.decision if prepared else Decision(()),
        counts=prepared.counts if prepared else Counts(0, 0, 0, 0),
        added=known.get("added", 0),
        updated=known.get("updated", 0),
        removed=known.get("removed", 0),
        rejected=ledger.rejections(session, delivery),
        unknown=known.get("unknown", 0),
        trouble=trouble,
    )


def _counts(plan: Plan, added: int, removed: int) -> Counts:
    """Leave out of what the guards judge what was let go before and only did not get through."""
    return Counts(
        previous=plan.previous + added - removed,
        desired=plan.desired,
        added=plan.added - added,
        removed=plan.removed - removed,
    )


@dataclass(frozen=True)
class _Run:
    """A plan on its way; it lies in the temporary table `delivery_plan`."""

    session: Session
    prepared: PreparedDelivery

    def open(self, now: datetime) -> None:
        """Write down that it begins."""
        query = f"select count(*) from {PLAN} where {self._sendable}"
        plan, is_stopped = self.prepared.plan, self.prepared.decision.is_stopped
        # The rules of a stopped list were not let go, so those of the last one still are.
        known = ledger.rules_let_go(self.session, self.delivery)
        counts = {
            "previous": plan.previous,
            "desired": plan.desired,
            "planned": self.session.fetch(query)[0][0],
            "judged_rules": self.prepared.rules_hash,
            "rules_hash": known if is_stopped else self.prepared.rules_hash,
            "reasons": list(self.prepared.decision.reasons),
        }
        ledger.open_delivery(self.session, self.delivery, self.prepared.run_number, counts, now)
        ledger.record_guards(self.session, self.delivery, self.prepared.decision.judgements)
        ledger.let_go(self.session, self.delivery, PLAN, is_stopped=is_stopped)
        ledger.forget_rejected(self.session, self.delivery, PLAN)

    def send(self, destination: Destination, reached: Callable[[str], None]) -> bool:
        """Send it batch by batch.

        Returns:
            Whether all of it was sent.
        """
        sent_to, silent = 0, 0
        while silent < MOST_SILENT_BATCHES:
            last = self._stage(sent_to, destination.batch_size)
            if last is None and (sent_to or not self._needs_lists(destination)):
                return True
            sent_to = last or 1
            ledger.intend(self.session, self.delivery)
            reached("intended")
            outcomes = list(destination.deliver(self._batch()))
            reached("sent")
            ledger.record(self.session, self.delivery, outcomes)
            reached("recorded")
            is_heard = any(outcome.status != "unknown" for outcome in outcomes)
            silent = 0 if is_heard else silent + 1
        return False

    def _needs_lists(self, destination: Destination) -> bool:
        """Tell whether the lists are written although nothing changed.

        Of a stopped list nobody knows what to write about members that it would not have any more.
        """
        state = destination.state_of(self.delivery.audience)
        return state == "stale" or (state == "missing" and not self.prepared.decision.is_stopped)

    def report(self) -> DeliveryReport:
        """Tell how it ended."""
        known = ledger.read_delivery(self.session, self.delivery)
        return DeliveryReport(
            delivery=self.delivery,
            status=known["status"],
            decision=self.prepared.decision,
            counts=self.prepared.counts,
            added=known["added"],
            updated=known["updated"],
            removed=known["removed"],
            rejected=ledger.rejections(self.session, self.delivery),
            unknown=known["unknown"],
        )

    @property
    def delivery(self) -> Delivery:
        """What is delivered where."""
        return self.prepared.delivery

    @property
    def _place(self) -> list[str]:
        return [self.delivery.audience, self.delivery.destination]

    @property
    def _sendable(self) -> str:
        return "is_protected" if self.prepared.decision.is_stopped else "true"

    @property
    def _payload(self) -> str:
        return "".join(f", wanted.{quoted(name)}" for name, _ in self.prepared.plan.columns)

    def _stage(self, after: int, size: int | None) -> int | None:
        """Put the next changes into the table `delivery_sending`.

        Returns:
            The position of the last one; None if there are none left.
        """
        query = f"select * from {PLAN} where position > ? and {self._sendable}"
        if size is None:
            self.session.run(f"create or replace temp table {SENDING} as {query}", [after])
        else:
            # Who takes a whole delivery as one change removes before it adds. Here an addition
            # waits until it is certain that the member is not there, so removals go ahead alone.
            self.session.run(
                f"""
                create or replace temp table {SENDING} as
                with ready as (
                    {query} and (
                        not needs_removal or member_key not in (
                            select member_key from {SCHEMA}.attempts
                            where audience = ? and destination = ? and status <> 'accepted'
                        )
                    )
                    order by position
                    limit {int(size)}
                )
                select * from ready
                qualify (operation = 'remove') = bool_or(operation = 'remove') over ()
                """,
                [after, *self._place],
            )
        return self.session.fetch(f"select max(position) from {SENDING}")[0][0]

    def _batch(self) -> Batch:
        # A batch without changes is named by its run.
        query = (
            "select sha256(coalesce(string_agg(idempotency_key, '' order by position),"
            f" 'run {self.prepared.run_number}')) from {SENDING}"
        )
        return Batch(
            delivery=self.delivery,
            key=self.session.fetch(query)[0][0],
            run_number=self.prepared.run_number,
            columns=self.prepared.plan.columns,
            rows=self._rows(),
            members=None if self.prepared.decision.is_stopped else self._members(),
        )

    def _rows(self) -> Iterator[Row]:
        """Read the changes of the table `delivery_sending` page by page."""
        query = f"""
            select
                sending.position, sending.idempotency_key, sending.operation, sending.member_key,
                sending.row_hash, sending.as_of_date, sending.generation{self._payload}
            from (
                select * from {SENDING} where position > ? order by position limit {ROWS_PER_PAGE}
            ) as sending
            left join {WANTED} as wanted on sending.member_key = wanted.member_key
            order by sending.position
        """
        page = self.session.fetch(query, [0])
        while page:
            for row in page:
                yield Row(*row[1:7], () if row[2] == "remove" else row[7:])
            page = self.session.fetch(query, [page[-1][0]])

    def _members(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Read page by page who is a member once the table `delivery_sending` is delivered."""
        self.session.run(
            f"""
            create or replace temp table {MEMBERS_AFTER} as
            with members as (
                select member_key from {SCHEMA}.members where audience = ? and destination = ?
                except
                select member_key from {SENDING} where operation = 'remove'
            )
            select member_key from members
            union
            select member_key from {SENDING} where operation <> 'remove'
            """,
            self._place,
        )
        query = f"""
            select members.member_key{self._payload}
            from (
                select * from {MEMBERS_AFTER} where member_key > ?
                order by member_key limit {ROWS_PER_PAGE}
            ) as members
            left join {WANTED} as wanted on members.member_key = wanted.member_key
            order by members.member_key
        """
        page = self.session.fetch(query, [""])
        while page:
            for row in page:
                yield row[0], row[1:]
            page = self.session.fetch(query, [page[-1][0]])
