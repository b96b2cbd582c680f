"""The rules of activation as plain values: audiences, destinations, consent, caps, protection.

What is wrong with them is said by `orchestration.measures.audience_rules`; reading the files is
`orchestration.rules`. Who is in an audience is the business of the SQL models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

ANY = "*"
# Between a salt and a customer, so that no other salt and customer give the same text.
SALT_SEPARATOR = ":"
# How the state of a day and that of another day make a member.
KINDS_WITH_DAYS = ("entering", "leaving", "about_to_leave")
KINDS = ("state", *KINDS_WITH_DAYS)
CHANNELS = ("email", "sms", "phone", "push", "ads")
DRT = "drt"
DESTINATION_KINDS = ("files", "http", "postgres", DRT)
# How the lists of a destination of kind files are written: csv is for people with spreadsheets.
FILE_FORMATS = ("csv", "jsonl", "parquet")
NORMALISERS = ("none", "google", "meta", "snap", "uid2")
GRANT, NO_OBJECTION = "grant", "no_objection"


@dataclass(frozen=True)
class Audience:
    """One row of `audiences`: who is meant, for what, through which channel to which destination.

    A condition that is empty holds for everybody. `within_days` is the distance of the other day
    that the kinds with two days look at.
    """

    audience: str
    preset: str
    name: str
    description: str
    purpose: str
    kind: str
    within_days: int | None
    segments: str
    stages: str
    min_orders: int | None
    max_orders: int | None
    min_monetary: Decimal | None
    min_silence_days: int | None
    max_silence_days: int | None
    archive_after_days: int | None
    action: str
    channel: str
    destination: str
    priority: int
    objective: str
    objective_metric: str
    objective_target: str
    owner: str
    reviewed_on: date

    @property
    def named_segments(self) -> tuple[str, ...]:
        """The segments it is made of."""
        return tuple(name for name in self.segments.split("|") if name)

    @property
    def named_stages(self) -> tuple[str, ...]:
        """The lifecycle stages it is made of."""
        return tuple(name for name in self.stages.split("|") if name)


@dataclass(frozen=True)
class Destination:
    """One row of `destinations`: where lists go, how keys are written there, what stops one.

    `file_format` is for the kind files only.
    """

    destination: str
    kind: str
    channel: str
    normaliser: str
    minimum_size: int
    judged_from: int
    max_removed_share: float
    max_removed_rows: int
    max_added_share: float
    file_format: str
    description: str
    owner: str


@dataclass(frozen=True)
class ConsentRequirement:
    """One row of `consent_requirements`; region `*` is every country without a row of its own."""

    region: str
    purpose: str
    channel: str
    requires: str
    reason: str


@dataclass(frozen=True)
class Holdout:
    """One row of `holdouts`: the share that a message is kept from, to see what it is worth.

    Audience `*` keeps people from every message. Who is in it follows from the salt alone.
    """

    audience: str
    salt: str
    share: float
    reason: str


@dataclass(frozen=True)
class ContactCap:
    """One row of `contact_caps`; channel `*` counts all channels together."""

    channel: str
    days: int
    max_contacts: int
    reason: str


@dataclass(frozen=True)
class ProtectedAttribute:
    """One row of `protected_attributes`; without a reason no audience may speak of it."""

    attribute: str
    allowed_reason: str


@dataclass(frozen=True)
class AudienceBook:
    """All rule tables of activation together."""

    audiences: tuple[Audience, ...]
    destinations: tuple[Destination, ...]
    consent_requirements: tuple[ConsentRequirement, ...]
    contact_caps: tuple[ContactCap, ...]
    holdouts: tuple[Holdout, ...]
    protected_attributes: tuple[ProtectedAttribute, ...]
