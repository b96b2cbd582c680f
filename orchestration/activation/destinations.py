"""What a destination is: a place that takes rows and says of each what became of it.

Every kind of destination has a module of its own. Which rows are sent is decided by `planning`,
what became of them is kept by `ledger`.
Addresses are secrets: they come from the environment and are never shown, logged or stored.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Operation = Literal["add", "remove", "update"]
Status = Literal["accepted", "rejected", "unknown"]
State = Literal["current", "missing", "stale"]
# Words of a destination may repeat what it was sent; a code does not.
REASON = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
NAME = re.compile(r"[a-z][a-z0-9_]*")


class DestinationError(Exception):
    """A destination cannot be used; one line with the remedy and without its address."""


class ActivationHeld(Exception):  # noqa: N818 - a guard that did its work, not a fault
    """Nothing is sent to anybody; one line with the reason and the remedy."""


@dataclass(frozen=True)
class Delivery:
    """What one destination is told about one audience as of one day."""

    audience: str
    destination: str
    as_of_date: date
    generation: str

    def __post_init__(self) -> None:
        for name in (self.audience, self.destination):
            if not NAME.fullmatch(name):
                raise DestinationError(
                    "names of audiences and destinations are lower case letters, digits and _"
                )


@dataclass(frozen=True)
class Row:
    """One change of one member.

    Attributes:
        idempotency_key: The same however often the change is sent.
        operation: What is to be done.
        member_key: Who it is, as the destination knows people.
        row_hash: A hash of all that is sent about the member.
        as_of_date: The day of the delivery that the change was first sent with.
        generation: The tables of that delivery.
        values: What is sent about the member, a value per column of the batch; none for a removal.
    """

    idempotency_key: str
    operation: Operation
    member_key: str = field(repr=False)
    row_hash: str = field(repr=False)
    as_of_date: date
    generation: str
    values: tuple[Any, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Batch:
    """Rows that are sent together, removals first.

    Attributes:
        delivery: What they belong to.
        key: The same for the same rows.
        run_number: How many deliveries of the audience to the destination came before, and this.
        columns: Names and types (in DuckDB's words) of what is sent about a member.
        rows: Can be read once.
        members: Everybody who is a member afterwards, by key, with what is sent about them; can be
            read once. None where all but the removals is held back, so that the members are
            those of the last delivery without the removed.
    """

    delivery: Delivery
    key: str
    run_number: int
    columns: tuple[tuple[str, str], ...]
    rows: Iterable[Row]
    members: Iterable[tuple[str, tuple[Any, ...]]] | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a row; unknown where the destination did not say."""

    idempotency_key: str
    status: Status
    reason: str = ""


class Destination(Protocol):
    """A place that takes members.

    Removing somebody who is not there is accepted. A row whose key was accepted before changes
    nothing and is accepted again.
    """

    @property
    def batch_size(self) -> int | None:
        """How many rows it takes at once; None if it takes a whole delivery as one change."""
        ...

    def state_of(self, audience: str) -> State:
        """Tell whether what it shows of an audience needs a delivery without any change.

        Returns:
            missing where it shows nothing of it, stale where it still shows who left before, else
            current.
        """
        ...

    def deliver(self, batch: Batch) -> Iterable[Outcome]:
        """Take rows and say what became of them; rows that are left out are unknown.

        Raises:
            DestinationError: It cannot be used. What became of the rows is unknown.
        """
        ...


@dataclass(frozen=True)
class Address:
    """Where a destination is and what opens it; neither is part of what is printed of it."""

    url: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


def address_of(destination: str, environment: Mapping[str, str]) -> Address:
    """Find the address of a destination among the variables of the environment.

    Raises:
        DestinationError: There is none.
    """
    name = f"LIFESTAGE_DEST_{destination.upper()}"
    url = environment.get(f"{name}_URL", "").strip()
    if not url:
        raise DestinationError(f"{destination} has no address: set {name}_URL")
    return Address(url, environment.get(f"{name}_TOKEN", "").strip() or None)


def reason_code(said: object) -> str:
    """Keep of what a destination says only what is certainly no personal data."""
    is_code = isinstance(said, str) and REASON.fullmatch(said)
    return str(said) if is_code else "unspecified"


def plain(value: Any) -> Any:
    """Turn a value into one that JSON knows; decimals are texts, so that no digit is lost."""
    match value:
        case None | bool() | int() | str():
            known = value
        case float():
            known = value if math.isfinite(value) else None
        case date() | time():
            known = value.isoformat()
        case Decimal():
            known = format(value, "f")
        case list() | tuple():
            known = [plain(part) for part in value]
        case dict():
            known = {str(name): plain(part) for name, part in value.items()}
        case _:
            known = str(value)
    return known
