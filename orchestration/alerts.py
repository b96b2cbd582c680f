"""What is told to people when a check or a run changes its state, and how it is sent.

Which evaluations and runs there were is read by `orchestration.defs.alerts`; what a check says
is written by `orchestration.measures`. Addresses are secrets: they are never stored, logged or
shown, a receiver is known by a hash and named by its place in the list.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

State = Literal["ok", "warn", "error"]
WORST_FIRST: tuple[State, ...] = ("error", "warn", "ok")
WORDS = {"ok": "OK again", "warn": "WARNING", "error": "ERROR"}
# A receiver that has been silent for long is told the newest of what it missed.
MOST_CHANGES = 100


@dataclass(frozen=True)
class Sighting:
    """The state in which something was seen, in words for people."""

    subject: str
    state: State
    title: str
    message: str
    remedy: str = ""
    day: str = ""


@dataclass(frozen=True)
class Memory:
    """What is known between two looks.

    Attributes:
        states: The last state of every subject that is not ok.
        outbox: By receiver, the changes it has not been told yet, oldest first.
        seen: The runs that were read, newest last.
        since: When the newest of them was last written (seconds since 1970), None at first.
    """

    states: dict[str, State] = field(default_factory=dict)
    outbox: dict[str, tuple[Sighting, ...]] = field(default_factory=dict)
    seen: tuple[str, ...] = ()
    since: float | None = None

    @classmethod
    def from_text(cls, text: str | None) -> Memory:
        """Read back what `to_text` wrote; None is a fresh start."""
        if not text:
            return cls()
        kept = json.loads(text)
        outbox = {
            receiver: tuple(Sighting(**change) for change in changes)
            for receiver, changes in kept["outbox"].items()
        }
        return cls(kept["states"], outbox, tuple(kept["seen"]), kept["since"])

    def to_text(self) -> str:
        """Write the memory as JSON."""
        return json.dumps(asdict(self), sort_keys=True)


def noticed(memory: Memory, sightings: Iterable[Sighting], receivers: Iterable[str]) -> Memory:
    """Put every change of state into the outbox of every receiver.

    Args:
        memory: What is known so far.
        sightings: In the order in which they happened.
        receivers: Who is told; what waits for anybody else is dropped.
    """
    states, changes = dict(memory.states), []
    for sighting in sightings:
        if states.get(sighting.subject, "ok") == sighting.state:
            continue
        changes.append(sighting)
        if sighting.state == "ok":
            del states[sighting.subject]
        else:
            states[sighting.subject] = sighting.state
    waiting = {
        receiver: (*memory.outbox.get(receiver, ()), *changes)[-MOST_CHANGES:]
        for receiver in receivers
    }
    outbox = {receiver: told for receiver, told in waiting.items() if told}
    return replace(memory, states=states, outbox=outbox)


def headline(changes: Sequence[Sighting]) -> str:
    """Say in one line how many changes there are of which kind."""
    counts = {state: sum(change.state == state for change in changes) for state in WORST_FIRST}
    names = {
        "error": "error" if counts["error"] == 1 else "errors",
        "warn": "warning" if counts["warn"] == 1 else "warnings",
        "ok": "recovered",
    }
    parts = [f"{counts[state]} {names[state]}" for state in WORST_FIRST if counts[state]]
    days = sorted({change.day for change in changes if change.day})
    as_of = f" (as of {days[-1]})" if days else ""
    return f"Lifestage: {', '.join(parts)}{as_of}"


def body(changes: Sequence[Sighting]) -> str:
    """Write the message: a paragraph for each change, the worst first."""
    ordered = sorted(changes, key=lambda change: WORST_FIRST.index(change.state))
    paragraphs = []
    for change in ordered:
        lines = [f"{WORDS[change.state]}: {change.title}", change.message]
        if change.remedy and change.state != "ok":
            lines.append(f"What to do: {change.remedy}")
        paragraphs.append("\n".join(line for line in lines if line))
    return "\n\n".join(paragraphs)


def receiver_id(url: str) -> str:
    """Name a receiver without saying its address."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def delivered(memory: Memory, urls: Sequence[str]) -> tuple[Memory, tuple[str, ...]]:
    """Send each receiver one message with all that waits for it.

    Args:
        memory: What waits, by receiver.
        urls: The addresses, as apprise writes them.

    Returns:
        The memory without what was taken, and a line for each receiver that took nothing.
    """
    outbox, troubles = dict(memory.outbox), []
    for place, url in enumerate(urls, start=1):
        changes = outbox.get(receiver_id(url))
        if not changes:
            continue
        trouble = _sent(url, changes)
        if trouble is None:
            del outbox[receiver_id(url)]
        else:
            troubles.append(f"receiver {place} {trouble}")
    return replace(memory, outbox=outbox), tuple(troubles)


def _sent(url: str, changes: Sequence[Sighting]) -> str | None:
    """Send one message; what is wrong is returned in words that hold no part of the address."""
    import apprise  # noqa: PLC0415 - heavy, and needed only when there is something to tell

    # Whatever apprise logs may hold the address.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    asset = apprise.AppriseAsset(
        app_id="Lifestage",
        app_desc="Customer segments",
        storage_mode=apprise.PersistentStoreMode.MEMORY,
        pgp_autogen=False,
        pem_autogen=False,
    )
    service = apprise.Apprise(asset=asset)
    if not service.add(url):
        return "has an address that apprise does not know: correct LIFESTAGE_ALERT_URLS"
    worst = min((change.state for change in changes), key=WORST_FIRST.index)
    kinds = {
        "error": apprise.NotifyType.FAILURE,
        "warn": apprise.NotifyType.WARNING,
        "ok": apprise.NotifyType.SUCCESS,
    }
    is_sent = service.notify(
        body=body(changes),
        title=headline(changes),
        notify_type=kinds[worst],
        body_format=apprise.NotifyFormat.TEXT,
    )
    return None if is_sent else "could not be reached"
