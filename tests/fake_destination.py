"""A destination on this machine that can be told to fail, and a shop that delivers to it.

The server is stricter than real ones: it keeps a row for each addition that it has not seen before,
so that a row that is sent twice under two keys shows.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.activation import ledger
from orchestration.activation.delivering import DeliveryReport, prepare_delivery, send_delivery
from orchestration.activation.destinations import Address, Delivery, Destination
from orchestration.activation.http_endpoint import HttpEndpoint, Patience
from orchestration.measures.delivery_guards import Evidence, Limits, judge
from orchestration.rules import read_guards

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence, Set

    from orchestration.warehouse import Session

GUARDS = read_guards(Path(__file__).parents[1] / "seeds" / "rules")
TOKEN = "topsecret-token"
DAY = date(2026, 6, 30)
NOW = datetime(2026, 7, 1, 3, 15, tzinfo=UTC)
# What can happen to a request. Of all but the first four the rows were taken.
FAULTS = ("500", "429", "refused", "hung_up", "lost", "cut", "garbage", "partial", "lost_500")
LAX = Limits(
    judged_from=10**9,
    max_removed_share=1.0,
    max_removed=10**9,
    max_added_share=1e9,
    minimum_size=0,
)
STRICT = Limits(
    judged_from=100,
    max_removed_share=0.2,
    max_removed=500,
    max_added_share=0.5,
    minimum_size=100,
)


@dataclass
class Server:
    """The state of the destination, and what it does to requests.

    Attributes:
        rows: A row for each addition, as (member, values).
        faults: What happens to the next requests; when used up, all goes well.
        rejects: Why a row is rejected, by member.
        keeps: Members whose removal is rejected.
        requests: What came, as rows.
        violations: What should never have been sent.
    """

    rows: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    rejects: dict[str, str] = field(default_factory=dict)
    keeps: set[str] = field(default_factory=set)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    accepted: set[str] = field(default_factory=set)
    delay: float = 0

    def take(self, request: dict[str, Any]) -> list[dict[str, str]]:
        self.requests.append(request)
        return [self._taken(row) for row in request["rows"]]

    def _taken(self, row: dict[str, Any]) -> dict[str, str]:
        key, member = row["key"], row["member"]
        if key not in self.accepted:
            if member in self.rejects and row["operation"] != "remove":
                return {"key": key, "status": "rejected", "reason": self.rejects[member]}
            if member in self.keeps and row["operation"] == "remove":
                return {"key": key, "status": "rejected", "reason": "kept"}
            self._apply(row["operation"], member, row["values"])
            self.accepted.add(key)
        return {"key": key, "status": "accepted"}

    def _apply(self, operation: str, member: str, values: dict[str, Any]) -> None:
        is_there = member in dict(self.rows)
        if operation == "add":
            if is_there:
                self.violations.append(f"{member} was added twice")
            self.rows.append((member, values))
            return
        if operation == "update" and not is_there:
            self.violations.append(f"{member} was updated and is not there")
        self.rows = [row for row in self.rows if row[0] != member]
        if operation == "update":
            self.rows.append((member, values))

    def sent(self) -> list[tuple[str, str]]:
        """Return what came since the last time, as (operation, member)."""
        requests, self.requests = self.requests, []
        return [(row["operation"], row["member"]) for one in requests for row in one["rows"]]


class Endpoint:
    """The server on a port of this machine."""

    def __init__(self) -> None:
        self.server = Server()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                endpoint.server.headers.append(dict(self.headers))
                endpoint.answer(self, json.loads(body))

            def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/members"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def answer(self, handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        server = self.server
        fault = server.faults.pop(0) if server.faults else ""
        refusals = {"500": 500, "429": 429, "refused": 401}
        if fault in refusals:
            server.requests.append({**request, "rows": []})
            respond(handler, refusals[fault], b"{}")
            return
        if fault == "hung_up":
            return
        results = server.take(request)
        if fault == "partial":
            results = results[::2]
        content = json.dumps({"results": results}).encode()
        if fault == "slow":
            time.sleep(server.delay)
        if fault == "lost":
            return
        if fault == "lost_500":
            respond(handler, 500, b"")
        elif fault == "garbage":
            respond(handler, 200, b"<html>")
        else:
            respond(handler, 200, content, len(content) // 2 if fault == "cut" else None)


def respond(
    handler: BaseHTTPRequestHandler, status: int, content: bytes, cut: int | None = None
) -> None:
    try:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content)))
        if status == 429:
            handler.send_header("Retry-After", "7")
        handler.end_headers()
        handler.wfile.write(content[:cut])
    except (BrokenPipeError, ConnectionResetError):
        return  # the client did not wait


class Shop:
    """A warehouse with the members that an audience should have."""

    def __init__(
        self, session: Session, columns: str = "city varchar, spent decimal(18,2)"
    ) -> None:
        self.session = session
        ledger.make_tables(session)
        session.run(
            "create table if not exists desired (audience varchar, destination varchar,"
            f" customer_id varchar, member_key varchar, row_hash varchar, {columns})"
        )
        session.run(
            "create table if not exists protected (audience varchar, destination varchar,"
            " customer_id varchar, member_key varchar, cause varchar)"
        )

    def wants(self, members: Mapping[str, Sequence[Any]], audience: str = "vip") -> None:
        """Name the members, each with what is sent about them."""
        self.session.run("delete from desired where audience = ?", [audience])
        for member, values in members.items():
            places = ", ".join("?" for _ in values)
            self.session.run(
                f"insert into desired values (?, 'crm', ?, ?, sha256(?), {places})",
                [audience, f"c-{member}", member, f"{member} {values}", *values],
            )

    def protects(self, causes: Mapping[str, str], by: str = "member_key") -> None:
        """Name those who must leave."""
        self.session.run("delete from protected")
        for name, cause in causes.items():
            self.session.run(f"insert into protected ({by}, cause) values (?, ?)", [name, cause])

    def delivers(
        self,
        destination: Destination,
        *,
        day: date = DAY,
        generation: str = "g1",
        limits: Limits = LAX,
        evidence: Evidence | None = None,
        approved: Set[str] = frozenset(),
        rules_hash: str = "rules",
        reached: Callable[[str], None] = lambda _: None,
    ) -> DeliveryReport:
        prepared = prepare_delivery(
            self.session,
            Delivery("vip", "crm", day, generation),
            desired="desired",
            protected="protected",
            judge=lambda counts: judge(counts, limits, GUARDS, evidence, approved),
            rules_hash=rules_hash,
        )
        reached("planned")
        return send_delivery(self.session, prepared, destination, now=lambda: NOW, reached=reached)

    def members(self) -> dict[str, str]:
        """Return by member what hash the ledger says the destination holds."""
        return dict(self.session.fetch("select member_key, row_hash from delivery.members"))

    def wanted(self) -> dict[str, str]:
        return dict(self.session.fetch("select member_key, row_hash from desired"))

    def attempts(self, status: str) -> list[dict[str, Any]]:
        return self.session.fetch_records(
            "select * from delivery.attempts where status = ? order by member_key, operation",
            [status],
        )


def client(
    endpoint: Endpoint, *, batch_size: int = 4, tries: int = 2, **other: Any
) -> HttpEndpoint:
    """A destination that never waits long."""
    return HttpEndpoint(
        Address(endpoint.url, TOKEN),
        batch_size=batch_size,
        patience=Patience(tries=tries, seconds=other.pop("seconds", 5.0)),
        wait=other.pop("wait", lambda _: None),
    )


def people(*names: str, city: str = "Oslo") -> dict[str, tuple[Any, ...]]:
    return dict.fromkeys(names, (city, 12.5))
