"""A destination that is reached over HTTP, and answers for each row.

What is sent, as JSON: `{"key", "audience", "destination", "rows": [{"key", "operation", "member",
"as_of_date", "generation", "values"}]}` with the header `Idempotency-Key`. What is answered with
a status of 2xx: `{"results": [{"key", "status": "accepted" | "rejected", "reason"}]}`. Redirects
are not followed: the token is for one address.
"""

from __future__ import annotations

import ipaddress
import json
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from orchestration.activation.destinations import DestinationError, Outcome, plain, reason_code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from urllib.parse import SplitResult

    from orchestration.activation.destinations import Address, Batch, Row, State

NO_ANSWER = "no_answer"
TOO_MANY_REQUESTS = 429
REQUEST_TIMEOUT = 408
MOST_ANSWER_BYTES = 64 << 20


@dataclass(frozen=True)
class Patience:
    """How often and how long a destination is waited for.

    Attributes:
        tries: How often a batch is sent.
        seconds: How long an answer may take.
        first_pause: Seconds before the second try; each further pause is twice as long.
        longest_pause: The most seconds of a pause, also of one that the destination asks for.
    """

    tries: int = 4
    seconds: float = 30.0
    first_pause: float = 1.0
    longest_pause: float = 60.0

    def pause(self, tried: int, asked_for: float | None) -> float:
        """Return the seconds to wait after so many tries."""
        own = self.first_pause * 2 ** (tried - 1)
        return min(self.longest_pause, max(own, asked_for or 0.0))


@dataclass(frozen=True)
class _Answer:
    status: int
    content: bytes
    asked_for: float | None

    @property
    def is_worth_another_try(self) -> bool:
        return self.status >= 500 or self.status in {REQUEST_TIMEOUT, TOO_MANY_REQUESTS}

    def results(self) -> list[dict[str, Any]] | None:
        """Read what became of the rows; None if that cannot be read."""
        if not 200 <= self.status < 300:
            return None
        try:
            results = json.loads(self.content)["results"]
        except (ValueError, KeyError, TypeError):
            return None
        is_list = isinstance(results, list)
        return [result for result in results if isinstance(result, dict)] if is_list else None


class HttpEndpoint:
    """Sends rows in batches and reads the outcome of each."""

    def __init__(
        self,
        address: Address,
        *,
        batch_size: int = 500,
        patience: Patience | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = checked_address(address.url)
        self._token = _checked_token(address.token)
        self._batch_size = batch_size
        self._patience = patience or Patience()
        self._wait = wait

    @property
    def batch_size(self) -> int | None:
        """Rows per request."""
        return self._batch_size

    def state_of(self, audience: str) -> State:  # noqa: ARG002 - no list of this kind gets old
        """The other side keeps the members; nothing here can be lost."""
        return "current"

    def deliver(self, batch: Batch) -> Iterable[Outcome]:
        """Send a batch, again and again under the same keys until there is an answer.

        An answer without a word on a row, or none at all, leaves the row unknown: it may have
        been taken. So does the refusal of a whole request, because an earlier try may have been.
        """
        rows = tuple(batch.rows)
        body = json.dumps(_body(batch, rows), ensure_ascii=False).encode()
        reason, asked_for = NO_ANSWER, None
        for tried in range(self._patience.tries):
            if tried:
                self._wait(self._patience.pause(tried, asked_for))
            try:
                answer = self._sent(body, batch.key)
            except (OSError, HTTPException):
                reason, asked_for = NO_ANSWER, None
                continue
            results = answer.results()
            if results is not None:
                return _outcomes(rows, results)
            reason, asked_for = _why(answer), answer.asked_for
            if not answer.is_worth_another_try and reason != NO_ANSWER:
                break
        return [Outcome(row.idempotency_key, "unknown", reason) for row in rows]

    def _sent(self, body: bytes, key: str) -> _Answer:
        url = self._url
        kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
        connection = kind(url.hostname or "", url.port, timeout=self._patience.seconds)
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        try:
            connection.request("POST", target, body, headers)
            response = connection.getresponse()
            content = response.read(MOST_ANSWER_BYTES)
            return _Answer(response.status, content, _seconds(response.getheader("Retry-After")))
        finally:
            connection.close()


def checked_address(text: str) -> SplitResult:
    """Take an address apart.

    Raises:
        DestinationError: A token would travel in the open, or it is no address.
    """
    try:
        url = urlsplit(text)
        is_whole = bool(url.hostname) and (url.port is None or url.port > 0)
        # Python repeats in its errors what it cannot send.
        (url.hostname or "").encode("idna")
        is_whole = is_whole and _is_sendable(text)
    except ValueError:
        is_whole, url = False, urlsplit("")
    if not is_whole or url.username or url.password:
        raise DestinationError(
            "the address of a destination must be https://host[:port]/path, in ASCII"
        )
    if url.scheme != "https" and not (url.scheme == "http" and _is_this_machine(url.hostname)):
        raise DestinationError("a destination on another machine must be reached by https")
    return url


def _checked_token(token: str | None) -> str | None:
    if token is not None and not _is_sendable(token):
        raise DestinationError(
            "the token of a destination has a character that no header holds: give printable"
            " ASCII without spaces"
        )
    return token


def _is_sendable(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _is_this_machine(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _body(batch: Batch, rows: tuple[Row, ...]) -> dict[str, Any]:
    names = [name for name, _ in batch.columns]
    return {
        "key": batch.key,
        "audience": batch.delivery.audience,
        "destination": batch.delivery.destination,
        "rows": [
            {
                "key": row.idempotency_key,
                "operation": row.operation,
                "member": row.member_key,
                "as_of_date": row.as_of_date.isoformat(),
                "generation": row.generation,
                # A removal has no values.
                "values": dict(zip(names, map(plain, row.values), strict=False)),
            }
            for row in rows
        ],
    }


def _outcomes(rows: tuple[Row, ...], results: list[dict[str, Any]]) -> list[Outcome]:
    """Read the outcome of each row; a row that is told about twice, differently, is unknown."""
    told: dict[str, Outcome] = {}
    for result in results:
        key, status = str(result.get("key")), result.get("status")
        if status == "accepted":
            outcome = Outcome(key, "accepted")
        elif status == "rejected":
            outcome = Outcome(key, "rejected", reason_code(result.get("reason")))
        else:
            continue
        is_first = key not in told or told[key].status == outcome.status
        told[key] = outcome if is_first else Outcome(key, "unknown", "contradiction")
    left_out = "left_out"
    keys = [row.idempotency_key for row in rows]
    return [told.get(key, Outcome(key, "unknown", left_out)) for key in keys]


def _why(answer: _Answer) -> str:
    return NO_ANSWER if 200 <= answer.status < 300 else f"http_{answer.status}"


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdigit() else None
