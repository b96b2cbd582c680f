"""Brings every destination to hold the audiences of the published generation, or says why not.

Whether anything may be sent at all is decided here, from the verdict and from what readers see;
how one audience is brought to one destination is `orchestration.activation`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from orchestration.activation import ledger
from orchestration.activation.approvals import approved_guards
from orchestration.activation.delivering import (
    DeliveryReport,
    PreparedDelivery,
    prepare_delivery,
    send_delivery,
)
from orchestration.activation.destinations import Delivery, DestinationError, address_of
from orchestration.activation.drt_sync import read_sync
from orchestration.activation.evidence import find_evidence, rules_of
from orchestration.activation.files import FolderOfFiles, file_format
from orchestration.activation.http_endpoint import HttpEndpoint
from orchestration.activation.lists import (
    DESIRED,
    PROTECTED,
    desired_members,
    protected_removals,
    withhold_by_identifier,
)
from orchestration.activation.postgres_table import MirrorTable
from orchestration.dbt_vars import dbt_vars
from orchestration.erasure.traces import DELIVERIES_DIR
from orchestration.gate import decide
from orchestration.measures.audience_rules import audiences_in_force
from orchestration.measures.audience_tables import DRT
from orchestration.measures.delivery_guards import Counts, Decision, Limits, judge
from orchestration.overlay import rules_dir
from orchestration.provenance import code_hash, own_database
from orchestration.publication import DATABASE_FILE
from orchestration.publication_status import read_status
from orchestration.rules import read_audiences, read_guards
from orchestration.warehouse import attach

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from orchestration.activation import destinations
    from orchestration.config import Config
    from orchestration.measures.audience_tables import Audience, AudienceBook, Destination
    from orchestration.publication_status import PublicationStatus
    from orchestration.settings import Settings
    from orchestration.warehouse import Session

READERS = "readers"


class ActivationHeld(Exception):  # noqa: N818 - a brake that did its work, not a fault
    """Nothing is sent to anybody; one line with the reason and the remedy."""


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
    """

    audience: str
    destination: str
    counts: Counts
    decision: Decision
    protected: int
    unusable: int


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
    planned = []
    for _, destination, prepared, unusable in _prepared(session, settings, config, only):
        protected = session.fetch("select count(*) from delivery_plan where is_protected")[0][0]
        planned.append(
            PlannedDelivery(
                prepared.delivery.audience,
                destination.destination,
                prepared.counts,
                prepared.decision,
                protected,
                unusable,
            )
        )
    return planned


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

    Raises:
        ActivationHeld: Nothing may be sent.
        DestinationError: A destination cannot be used; the next run goes on from there.
    """
    for audience, destination, prepared, _ in _prepared(session, settings, config, only):
        yield send_delivery(
            session,
            prepared,
            _place(audience, destination, settings, config, environment),
            now=lambda: _now(session),
        )


def _prepared(
    session: Session, settings: Settings, config: Config, only: str | None
) -> Iterator[tuple[Audience, Destination, PreparedDelivery, int]]:
    """Plan and judge one list after the other; each lies in temporary tables until the next.

    Yields:
        The audience, its destination, what is to be sent, and how many members it cannot use.
    """
    status = _published(session, settings, config)
    ledger.make_tables(session)
    rules = rules_dir(settings, config)
    book, guards = read_audiences(rules), read_guards(rules)
    variables = dbt_vars(config, status.as_of_date)
    for audience, destination in _wanted(book, config, only):
        delivery = Delivery(
            audience.audience, destination.destination, status.as_of_date, status.generation
        )
        protected_removals(session, audience, destination, delivery.as_of_date)
        unusable = desired_members(session, audience, destination)
        unusable += withhold_by_identifier(session, audience, destination, delivery.as_of_date)
        rules_hash = rules_of(session, variables, book, audience, destination)
        evidence = find_evidence(
            session, delivery, audience, destination, book=book, rules_hash=rules_hash
        )
        prepared = prepare_delivery(
            session,
            delivery,
            desired=DESIRED,
            protected=PROTECTED,
            judge=partial(
                judge,
                limits=_limits(destination),
                guards=guards,
                evidence=evidence,
                approved=approved_guards(session, delivery, rules_hash),
            ),
            rules_hash=rules_hash,
        )
        yield audience, destination, prepared, unusable


def _published(session: Session, settings: Settings, config: Config) -> PublicationStatus:
    """Return what readers see, if it is what the warehouse holds and may be acted on."""
    database = settings.published_dir / DATABASE_FILE
    if not database.exists():
        raise ActivationHeld("nothing is published yet: run `lifestage refresh`")
    status = read_status(database)
    if status.is_held:
        raise ActivationHeld(
            f"the publication is held ({status.held_reason}): see `lifestage status`"
        )
    decision = decide(
        session, own_database(session), status.as_of_date, code_hash(settings, config)
    )
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
    attach(session, settings.published_dir / DATABASE_FILE, READERS, read_only=True)
    try:
        here, there = "activation.audience_memberships", f"{READERS}.published.audience_memberships"
        differing = session.fetch(
            f"select count(*) from ((select * from {here} except select * from {there})"
            f" union all (select * from {there} except select * from {here})) as differing"
        )[0][0]
    finally:
        session.run(f"detach {READERS}")
    if differing:
        raise ActivationHeld(
            "the warehouse holds other members than were published: run `lifestage refresh`"
        )


def _wanted(
    book: AudienceBook, config: Config, only: str | None
) -> Iterator[tuple[Audience, Destination]]:
    destinations_by_name = {row.destination: row for row in book.destinations}
    audiences = audiences_in_force(book, config.segment_preset)
    if only is not None and only not in {row.audience for row in audiences}:
        known = ", ".join(row.audience for row in audiences)
        raise ActivationHeld(f"there is no such audience; known are {known}")
    for audience in audiences:
        if only in (None, audience.audience):
            yield audience, destinations_by_name[audience.destination]


def _limits(destination: Destination) -> Limits:
    return Limits(
        judged_from=destination.brake_from,
        max_removed_share=destination.max_removed_share,
        max_removed=destination.max_removed_rows,
        max_added_share=destination.max_added_share,
        minimum_size=destination.minimum_size,
    )


def _place(
    audience: Audience,
    destination: Destination,
    settings: Settings,
    config: Config,
    environment: Mapping[str, str],
) -> destinations.Destination:
    """Make what takes the rows."""
    if destination.kind == "files":
        folder = settings.home / DELIVERIES_DIR / destination.destination
        return FolderOfFiles(folder, form=file_format(destination.file_format))
    if destination.kind == DRT:
        if config.activation.drt_project is None:
            raise DestinationError(
                f"{destination.destination} is of kind drt: name a folder as"
                " activation.drt_project and run `lifestage drt-config`"
            )
        return read_sync(settings.project_root / config.activation.drt_project, audience.audience)
    address = address_of(destination.destination, environment)
    return HttpEndpoint(address) if destination.kind == "http" else MirrorTable(address)


def _now(session: Session) -> datetime:
    return session.fetch("select now()")[0][0]
