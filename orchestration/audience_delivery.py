"""Brings every destination to hold the audiences of the published generation, or says why not.

Whether anything may be sent at all is decided here, from the verdict and from what readers see;
how one audience is brought to one destination is `orchestration.activation`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from orchestration.activation import ledger
from orchestration.activation.approvals import approved_guards
from orchestration.activation.delivering import (
    DeliveryReport,
    PreparedDelivery,
    broken_report,
    prepare_delivery,
    send_delivery,
)
from orchestration.activation.destinations import (
    ActivationHeld,
    Delivery,
    DestinationError,
    address_of,
)
from orchestration.activation.drt_sync import read_sync
from orchestration.activation.evidence import find_evidence, rules_of
from orchestration.activation.files import FolderOfFiles, file_format
from orchestration.activation.former import (
    EMPTYING,
    NO_RULES,
    former_audience,
    former_lists,
    former_removals,
)
from orchestration.activation.http_endpoint import HttpEndpoint
from orchestration.activation.lists import (
    DESIRED,
    PROTECTED,
    desired_members,
    protected_removals,
    withhold_by_identifier,
)
from orchestration.activation.planning import PlanError
from orchestration.activation.postgres_table import MirrorTable
from orchestration.dbt_vars import dbt_vars
from orchestration.erasure.requests import count_open
from orchestration.erasure.traces import DELIVERIES_DIR
from orchestration.gate import decide
from orchestration.measures.audience_rules import audiences_in_force
from orchestration.measures.audience_tables import DRT
from orchestration.measures.delivery_guards import Counts, Decision, Evidence, Limits, judge
from orchestration.overlay import rules_dir
from orchestration.provenance import code_hash
from orchestration.rules import read_audiences, read_guards
from orchestration.shelf import shelf_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from orchestration.activation import destinations
    from orchestration.config import Config
    from orchestration.measures.audience_tables import Audience, AudienceBook, Destination
    from orchestration.measures.delivery_guards import Guard
    from orchestration.publication_status import PublicationStatus
    from orchestration.settings import Settings
    from orchestration.warehouse import Session


@dataclass(frozen=True)
class PlannedDelivery:
    """What would be sent of one audience.

    Attributes:
        audience: The audience.
        destination: Where it goes.
        counts: What would change.
        decision: What the guards say.
        protected: Removals that go out in any case.
        unusable: Members whose address or number the destination cannot use.
        trouble: Why it cannot be planned, in one line; empty if it can.
    """

    audience: str
    destination: str
    counts: Counts
    decision: Decision
    protected: int
    unusable: int
    trouble: str = ""


def plan_deliveries(
    session: Session, settings: Settings, config: Config, only: str | None = None
) -> list[PlannedDelivery]:
    """Say what would be sent; nothing is.

    Args:
        session: The warehouse, open for writing.
        settings: The installation.
        config: Its configuration.
        only: The one audience to look at; all of them by default.

    Raises:
        ActivationHeld: Nothing may be sent.
    """
    run = _Run.begin(session, settings, config)
    return [_planned(run, one) for one in run.lists(only)]


def deliver(
    session: Session,
    settings: Settings,
    config: Config,
    environment: Mapping[str, str],
    only: str | None = None,
) -> Iterator[DeliveryReport]:
    """Send what changed, audience by audience.

    Args:
        session: The warehouse, open for writing.
        settings: The installation.
        config: Its configuration.
        environment: Where the addresses of destinations are found.
        only: The one audience to send; all of them by default.

    Yields:
        How each ended. What is wrong with one destination does not keep the others waiting.

    Raises:
        ActivationHeld: Nothing may be sent.
    """
    run = _Run.begin(session, settings, config)
    for one in run.lists(only):
        prepared, unusable = None, 0
        try:
            prepared, unusable = run.prepare(one)
            place = _place(one, settings, config, environment)
            report = send_delivery(session, prepared, place, now=lambda: _now(session))
        except (DestinationError, PlanError) as error:
            report = broken_report(session, one.delivery, str(error), prepared)
        yield replace(report, unusable=unusable)


@dataclass(frozen=True)
class _List:
    """One list of the run.

    Attributes:
        delivery: What is delivered where.
        audience: Its rules; none where it is not in force any more.
        destination: Where it goes; none where the row is gone.
    """

    delivery: Delivery
    audience: Audience | None
    destination: Destination | None


@dataclass(frozen=True)
class _Run:
    """What all lists of a run have in common."""

    session: Session
    config: Config
    status: PublicationStatus
    book: AudienceBook
    guards: Mapping[str, Guard]

    @classmethod
    def begin(cls, session: Session, settings: Settings, config: Config) -> _Run:
        """Refuse if nothing may be sent; else read the rules."""
        status = _published(session, settings, config)
        ledger.make_tables(session)
        rules = rules_dir(settings, config)
        return cls(session, config, status, read_audiences(rules), read_guards(rules))

    def lists(self, only: str | None) -> list[_List]:
        """List the audiences in force by priority, then what is left behind of others."""
        destinations_by_name = {row.destination: row for row in self.book.destinations}
        wanted = {
            (row.audience, row.destination): row
            for row in audiences_in_force(self.book, self.config.segment_preset)
        }
        former = former_lists(self.session, wanted.keys(), destinations_by_name.keys())
        places = [*wanted, *former]
        if only is not None and only not in {audience for audience, _ in places}:
            known = ", ".join(dict.fromkeys(audience for audience, _ in places))
            raise ActivationHeld(f"there is no such audience; known are {known}")
        day, generation = self.status.as_of_date, self.status.generation
        return [
            _List(
                Delivery(audience, destination, day, generation),
                wanted.get((audience, destination)),
                destinations_by_name.get(destination),
            )
            for audience, destination in places
            if only in (None, audience)
        ]

    def prepare(self, one: _List) -> tuple[PreparedDelivery, int]:
        """Plan and judge a list; it lies in temporary tables until the next.

        Returns:
            What is to be sent, and how many members the destination cannot use.

        Raises:
            DestinationError: The row of its destination is gone.
            PlanError: Its members cannot be used.
        """
        if one.destination is None:
            raise DestinationError(
                f"{one.delivery.destination} still holds members and is no row of destinations:"
                " put the row back until the list is empty"
            )
        if one.audience is None:
            return self._emptied(one.delivery, one.destination), 0
        session, delivery = self.session, one.delivery
        protected_removals(session, one.audience, one.destination, delivery.as_of_date)
        unusable = desired_members(session, one.audience, one.destination)
        unusable += withhold_by_identifier(
            session, one.audience, one.destination, delivery.as_of_date
        )
        variables = dbt_vars(self.config, delivery.as_of_date)
        rules_hash = rules_of(session, variables, self.book, one.audience, one.destination)
        evidence = find_evidence(
            session, delivery, one.audience, one.destination, book=self.book, rules_hash=rules_hash
        )
        limits = _limits(one.destination)
        return self._judged(delivery, PROTECTED, limits, evidence, rules_hash), unusable

    def _emptied(self, delivery: Delivery, destination: Destination) -> PreparedDelivery:
        """Plan that nobody is left in a list that is not in force any more."""
        session, day = self.session, delivery.as_of_date
        leaving = former_removals(session, delivery.audience, destination, self.book, day)
        desired_members(
            session, former_audience(delivery.audience, destination, "", day), destination
        )
        session.run(f"delete from {DESIRED}")
        return self._judged(delivery, leaving, EMPTYING, Evidence(), NO_RULES)

    def _judged(
        self,
        delivery: Delivery,
        protected: str,
        limits: Limits,
        evidence: Evidence,
        rules_hash: str,
    ) -> PreparedDelivery:
        return prepare_delivery(
            self.session,
            delivery,
            desired=DESIRED,
            protected=protected,
            judge=partial(
                judge,
                limits=limits,
                guards=self.guards,
                evidence=evidence,
                approved=approved_guards(self.session, delivery, rules_hash),
            ),
            rules_hash=rules_hash,
        )


def _planned(run: _Run, one: _List) -> PlannedDelivery:
    place = (one.delivery.audience, one.delivery.destination)
    try:
        prepared, unusable = run.prepare(one)
    except (DestinationError, PlanError) as error:
        return PlannedDelivery(*place, Counts(0, 0, 0, 0), Decision(()), 0, 0, str(error))
    query = "select count(*) from delivery_plan where is_protected"
    protected = run.session.fetch(query)[0][0]
    return PlannedDelivery(*place, prepared.counts, prepared.decision, protected, unusable)


def _published(session: Session, settings: Settings, config: Config) -> PublicationStatus:
    """Return what readers see, if it is what the warehouse holds and may be acted on."""
    shelf = shelf_of(settings)
    if shelf.current() is None:
        raise ActivationHeld("nothing is published yet: run `lifestage refresh`")
    if count_open(session):
        raise ActivationHeld("somebody asked to be forgotten: run `lifestage refresh`")
    status = shelf.status()
    if status.is_held:
        raise ActivationHeld(
            f"the publication is held ({status.held_reason}): see `lifestage status`"
        )
    decision = decide(session, session.database, status.as_of_date, code_hash(settings, config))
    if not decision.is_allowed or decision.verdict is None:
        raise ActivationHeld(f"the tables may not be acted on: {decision.reason}")
    if not decision.verdict.allows_activation:
        raise ActivationHeld(
            f"the checks hold all messages as of {decision.verdict.as_of_date}:"
            " see `lifestage checks`"
        )
    _refuse_unpublished(session, settings)
    return status


def _refuse_unpublished(session: Session, settings: Settings) -> None:
    """Refuse when the warehouse holds other members than readers were shown."""
    with shelf_of(settings).beside(session) as published:
        here, there = "activation.audience_memberships", f"{published}.audience_memberships"
        differing = session.fetch(
            f"select count(*) from ((select * from {here} except select * from {there})"
            f" union all (select * from {there} except select * from {here})) as differing"
        )[0][0]
    if differing:
        raise ActivationHeld(
            "the warehouse holds other members than were published: run `lifestage refresh`"
        )


def _limits(destination: Destination) -> Limits:
    return Limits(
        judged_from=destination.judged_from,
        max_removed_share=destination.max_removed_share,
        max_removed=destination.max_removed_rows,
        max_added_share=destination.max_added_share,
        minimum_size=destination.minimum_size,
    )


def _place(
    one: _List, settings: Settings, config: Config, environment: Mapping[str, str]
) -> destinations.Destination:
    """Make what takes the rows."""
    name, destination = one.delivery.destination, one.destination
    kind = destination.kind if destination else None
    if destination is not None and kind == "files":
        folder = settings.home / DELIVERIES_DIR / name
        return FolderOfFiles(folder, form=file_format(destination.file_format))
    if kind == DRT:
        if config.activation.drt_project is None:
            raise DestinationError(
                f"{name} is of kind drt: name a folder as activation.drt_project and run"
                " `lifestage drt-config`"
            )
        project = settings.project_root / config.activation.drt_project
        return read_sync(project, one.delivery.audience)
    address = address_of(name, environment)
    return HttpEndpoint(address) if kind == "http" else MirrorTable(address)


def _now(session: Session) -> datetime:
    return session.fetch("select now()")[0][0]
