"""Delivery: every member once at the destination, whatever happens on the way."""

from __future__ import annotations

import contextlib
import csv
import json
import multiprocessing
import os
import shutil
import signal
import socket
import stat
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from orchestration.activation import ledger
from orchestration.activation.destinations import (
    Address,
    Delivery,
    DestinationError,
    address_of,
    plain,
    reason_code,
)
from orchestration.activation.files import MANIFEST_FILE, FolderOfFiles, Format, file_format
from orchestration.activation.http_endpoint import HttpEndpoint, Patience
from orchestration.activation.planning import PlanError
from orchestration.activation.postgres_table import MirrorTable
from orchestration.generations import file_hash
from orchestration.measures.delivery_guards import Evidence
from orchestration.settings import Server as WarehouseServer
from orchestration.warehouse import Session, open_database, open_scratch
from orchestration.warehouse.postgres import open_postgres
from tests.engines import postgres_server
from tests.fake_destination import (
    DAY,
    FAULTS,
    LAX,
    STRICT,
    TOKEN,
    Endpoint,
    Server,
    Shop,
    client,
    people,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STEPS = ("planned", "opened", "intended", "sent", "recorded")
FILE_STEPS = ("cleaned", "written", "lists_in_place", "sealed", "tidied")
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


class Killed(BaseException):
    """The end of a run at a step, without a process."""


@pytest.fixture(scope="module")
def port() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    yield endpoint
    endpoint.close()


@pytest.fixture
def endpoint(port: Endpoint) -> Endpoint:
    port.server = Server()
    return port


@pytest.fixture(params=["duckdb", pytest.param("postgres", marks=pytest.mark.large)])
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    """An empty warehouse of each engine."""
    if request.param == "duckdb":
        with open_scratch() as scratch:
            yield scratch
        return
    cluster: Address = request.getfixturevalue("cluster")
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        connection.execute("drop database if exists scratch")
        connection.execute("create database scratch template template0 lc_collate 'C'")
    host = conninfo_to_dict(cluster.url)["host"]
    with open_postgres(WarehouseServer(str(host), 5432, "postgres", "", "scratch")) as scratch:
        yield scratch


@pytest.fixture
def shop(session: Session) -> Shop:
    return Shop(session)


def held(endpoint: Endpoint) -> list[str]:
    return sorted(member for member, _ in endpoint.server.rows)


# What is sent


def test_only_changes_are_sent(shop: Shop, endpoint: Endpoint) -> None:
    shop.wants(people("ann", "ben", "cem"))
    report = shop.delivers(client(endpoint))
    assert (report.status, report.added, report.unknown) == ("complete", 3, 0)
    assert endpoint.server.sent() == [("add", "ann"), ("add", "ben"), ("add", "cem")]

    shop.wants(people("ben") | people("cem", city="Bonn") | people("dee"))
    report = shop.delivers(client(endpoint), day=DAY + timedelta(days=1))
    assert (report.added, report.updated, report.removed) == (1, 1, 1)
    assert endpoint.server.sent() == [("remove", "ann"), ("add", "dee"), ("update", "cem")]
    assert dict(endpoint.server.rows)["cem"] == {"city": "Bonn", "spent": "12.50"}
    assert shop.members() == shop.wanted()


def test_an_unchanged_audience_is_not_sent_again(shop: Shop, endpoint: Endpoint) -> None:
    shop.wants(people("ann", "ben"))
    shop.delivers(client(endpoint))
    endpoint.server.sent()
    for day in (0, 0, 1):
        report = shop.delivers(client(endpoint), day=DAY + timedelta(days=day))
        assert report.status == "complete"
    assert endpoint.server.sent() == []
    assert shop.session.fetch(
        "select as_of_date, added, planned from delivery.deliveries order by 1"
    ) == [(DAY, 2, 0), (DAY + timedelta(days=1), 0, 0)]


def test_rows_of_a_removal_tell_nothing_but_the_key(shop: Shop, endpoint: Endpoint) -> None:
    shop.wants(people("ann", "ben"))
    shop.delivers(client(endpoint))
    shop.wants(people("ben"))
    shop.delivers(client(endpoint))
    (row,) = endpoint.server.requests[-1]["rows"]
    assert (row["operation"], row["member"], row["values"]) == ("remove", "ann", {})
    assert "ann" not in repr(shop.attempts("accepted"))


def test_one_key_of_two_customers_is_one_member(shop: Shop, endpoint: Endpoint) -> None:
    shop.wants(people("ann"))
    shop.session.run(
        "insert into desired select audience, destination, 'c-b', member_key, row_hash, city, spent"
        " from desired"
    )
    shop.delivers(client(endpoint))
    assert held(endpoint) == ["ann"]
    assert shop.session.fetch("select customer_id from delivery.members") == [("c-ann",)]


def test_audiences_are_apart(shop: Shop, endpoint: Endpoint) -> None:
    shop.wants(people("ann"))
    shop.wants(people("ben"), audience="lapsed")
    shop.delivers(client(endpoint))
    assert held(endpoint) == ["ann"]
    shop.wants({})
    shop.delivers(client(endpoint), limits=replace(LAX, minimum_size=0))
    assert endpoint.server.sent() == [("add", "ann")]  # emptied: the guard holds the removal


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("update desired set member_key = ''", "1 members of vip have no key or no hash"),
        ("update desired set row_hash = null", "1 members of vip have no key or no hash"),
        ("insert into protected (member_key, cause) values ('ann', 'mood')", "1 removals have a"),
        ("insert into protected (cause) values ('erasure')", "1 protected removals name nobody"),
        ("alter table desired drop column row_hash", "desired lacks row_hash"),
    ],
)
def test_unusable_members_are_refused(
    shop: Shop, endpoint: Endpoint, change: str, why: str
) -> None:
    shop.wants(people("ann"))
    shop.session.run(change)
    with pytest.raises(PlanError, match=why) as refused:
        shop.delivers(client(endpoint))
    assert "ann" not in str(refused.value)
    assert endpoint.server.requests == []


@pytest.mark.parametrize("name", ["../vip", "Vip", "", "a b", "vip;drop"])
def test_names_are_plain(name: str) -> None:
    with pytest.raises(DestinationError, match="lower case"):
        Delivery(name, "crm", DAY, "g")
    with pytest.raises(DestinationError, match="lower case"):
        Delivery("vip", name, DAY, "g")


def test_the_key_of_the_plan_is_the_documented_one(shop: Shop, endpoint: Endpoint) -> None:
    shop.wants(people("änn \u2603"))
    shop.delivers(client(endpoint))
    (attempt,) = shop.attempts("accepted")
    delivery = Delivery("vip", "crm", DAY, "g1")
    key = ledger.idempotency_key(delivery, 1, attempt["row_hash"], "add", "änn \u2603")
    assert attempt["idempotency_key"] == key
    others = [
        ledger.idempotency_key(delivery, 2, attempt["row_hash"], "add", "änn \u2603"),
        ledger.idempotency_key(delivery, 1, attempt["row_hash"], "update", "änn \u2603"),
        ledger.idempotency_key(delivery, 1, attempt["row_hash"], "add", "ann"),
        ledger.idempotency_key(
            replace(delivery, generation="g2"), 1, attempt["row_hash"], "add", "änn \u2603"
        ),
    ]
    assert len({key, *others}) == 5


def names(number: int, start: int = 0) -> list[str]:
    return [f"m{index:04}" for index in range(start, start + number)]


def test_when_stopped_only_protected_removals_go_out(shop: Shop, endpoint: Endpoint) -> None:
    limits = replace(STRICT, minimum_size=0)
    shop.wants(people(*names(100)))
    shop.delivers(client(endpoint, batch_size=50), limits=limits)
    endpoint.server.sent()

    shop.wants(people(*names(70)) | people("new"))
    shop.protects({"m0001": "consent", "m0099": "erasure", "nobody": "suppression"})
    report = shop.delivers(client(endpoint), limits=limits, generation="g2")
    assert (report.status, report.decision.reasons) == ("stopped", ("G01",))
    assert (report.counts.removed, report.counts.previous) == (29, 100)
    assert endpoint.server.sent() == [("remove", "m0001"), ("remove", "m0099")]
    assert len(shop.members()) == 98

    shop.protects({"m0001": "consent"})
    shop.wants(people(*names(100)))
    report = shop.delivers(client(endpoint), limits=limits, generation="g3")
    assert report.status == "complete"
    assert held(endpoint) == [name for name in names(100) if name != "m0001"]


@pytest.mark.parametrize("cause", ["consent", "suppression", "erasure", "merge"])
@pytest.mark.parametrize("by", ["member_key", "customer_id"])
def test_protected_removals_pass_the_guards_also_of_a_whole_audience(
    shop: Shop, endpoint: Endpoint, cause: str, by: Literal["member_key", "customer_id"]
) -> None:
    shop.wants(people(*names(9)))
    shop.delivers(client(endpoint))
    shop.wants({})
    prefix = "c-" if by == "customer_id" else ""
    shop.protects({prefix + name: cause for name in names(9)}, by=by)
    report = shop.delivers(client(endpoint), limits=STRICT)
    assert (report.status, report.removed) == ("stopped", 9)
    assert (held(endpoint), shop.members()) == ([], {})


@pytest.mark.parametrize("cause", ["consent", "suppression", "erasure"])
def test_an_objection_beats_the_rules_and_a_merge_does_not(
    shop: Shop, endpoint: Endpoint, cause: str
) -> None:
    shop.wants(people("ann", "ben", "cem"))
    shop.protects({"ann": cause, "ben": "merge"})
    shop.delivers(client(endpoint))
    assert held(endpoint) == ["ben", "cem"]


def test_what_was_let_go_and_broke_off_is_not_judged_again(shop: Shop, endpoint: Endpoint) -> None:
    limits = replace(STRICT, minimum_size=0)
    shop.wants(people(*names(60)))
    endpoint.server.faults = ["", *["500"] * 99]
    report = shop.delivers(client(endpoint, batch_size=10), limits=limits)
    assert (report.status, report.added, report.unknown) == ("incomplete", 10, 30)
    assert held(endpoint) == names(10)

    endpoint.server.faults = []
    shop.wants(people(*names(62)))
    report = shop.delivers(
        client(endpoint, batch_size=10), limits=limits, day=DAY + timedelta(days=1)
    )
    assert (report.counts.previous, report.counts.added) == (60, 2)
    assert report.status == "complete"
    assert (held(endpoint), endpoint.server.violations) == (names(62), [])


def test_others_than_those_who_were_let_go_are_judged(shop: Shop, endpoint: Endpoint) -> None:
    """Who takes the place of people who never arrived, or never left, is as new as they were."""
    limits = replace(STRICT, minimum_size=0, judged_from=50)
    lenient = replace(limits, max_removed_share=1.0, max_added_share=1.0)
    days = iter(DAY + timedelta(days=number) for number in range(9))
    first, others = names(120)[:60], names(120)[60:]
    shop.wants(people(*first))
    endpoint.server.faults = ["500"] * 99
    assert shop.delivers(client(endpoint), limits=limits, day=next(days)).status == "incomplete"
    shop.wants(people(*others))
    again = Evidence(was_let_go=True)
    report = shop.delivers(client(endpoint), limits=limits, day=next(days), evidence=again)
    assert (report.counts.previous, report.counts.added) == (0, 60)
    assert report.decision.reasons == ("G03",)

    endpoint.server.faults = []
    shop.wants(people(*first))
    assert shop.delivers(client(endpoint), limits=lenient, day=next(days)).added == 60
    assert shop.session.fetch("select * from delivery.let_go") == []

    shop.wants(people(*first[:30]))
    endpoint.server.faults = ["500"] * 99
    report = shop.delivers(client(endpoint), limits=lenient, day=next(days))
    assert (report.decision.reasons, report.removed) == ((), 0)
    shop.wants(people(*first[30:]))
    endpoint.server.faults = []
    report = shop.delivers(client(endpoint), limits=limits, day=next(days))
    assert (report.counts.previous, report.counts.removed) == (60, 30)
    assert report.decision.reasons == ("G01",)
    assert shop.session.fetch("select * from delivery.let_go") == []
    assert endpoint.server.violations == []


# Faults


def test_rejected_rows_are_kept_with_their_reason_and_sent_alone_again(
    shop: Shop, endpoint: Endpoint
) -> None:
    wanted = names(100)
    endpoint.server.rejects = dict.fromkeys(wanted[::33], "bad_hash")
    shop.wants(people(*wanted))
    report = shop.delivers(client(endpoint, batch_size=25))
    assert (report.status, report.added, report.rejected) == ("complete", 96, {"bad_hash": 4})
    first = shop.attempts("rejected")
    assert [row["member_key"] for row in first] == wanted[::33]
    endpoint.server.sent()

    del endpoint.server.rejects[wanted[0]]
    report = shop.delivers(client(endpoint), day=DAY + timedelta(days=1), generation="g2")
    assert endpoint.server.sent() == [("add", name) for name in wanted[::33]]
    again = shop.attempts("rejected")
    assert [row["tries"] for row in again] == [2, 2, 2]
    assert [row["idempotency_key"] for row in again] == [
        row["idempotency_key"] for row in first[1:]
    ]
    assert report.added == 1

    shop.wants(people(*wanted[:-1]))  # the last one was never there
    shop.delivers(client(endpoint), day=DAY + timedelta(days=2))
    assert endpoint.server.sent() == [("add", name) for name in wanted[33::33][:-1]]
    assert len(shop.attempts("rejected")) == 2


def test_a_removal_that_is_rejected_is_no_success(shop: Shop, endpoint: Endpoint) -> None:
    shop.wants(people("ann", "ben"))
    shop.delivers(client(endpoint))
    shop.wants(people("ben"))
    shop.protects({"ann": "consent"})
    endpoint.server.keeps = {"ann"}
    report = shop.delivers(client(endpoint))
    assert (report.status, report.rejected) == ("incomplete", {"kept": 1})
    endpoint.server.keeps = set()
    assert shop.delivers(client(endpoint), generation="g2").status == "complete"
    assert held(endpoint) == ["ben"]


@pytest.mark.parametrize("fault", ["lost", "cut", "garbage", "partial", "lost_500"])
def test_a_lost_acknowledgement_adds_nobody_twice(
    shop: Shop, endpoint: Endpoint, fault: str
) -> None:
    shop.wants(people("ann", "ben", "cem"))
    endpoint.server.faults = [fault, fault]
    report = shop.delivers(client(endpoint, tries=1))
    assert report.status == "incomplete"
    assert held(endpoint) == ["ann", "ben", "cem"]
    unknown = {row["idempotency_key"] for row in shop.attempts("unknown")}
    endpoint.server.requests.clear()
    endpoint.server.faults = []

    report = shop.delivers(client(endpoint), day=DAY + timedelta(days=1), generation="g2")
    (request,) = endpoint.server.requests
    assert {row["key"] for row in request["rows"]} == unknown
    assert {row["as_of_date"] for row in request["rows"]} == {DAY.isoformat()}
    assert (report.status, report.unknown) == ("complete", 0)
    assert (held(endpoint), endpoint.server.violations) == (["ann", "ben", "cem"], [])


def test_who_may_have_been_added_and_left_since_is_removed(shop: Shop, endpoint: Endpoint) -> None:
    shop.wants(people("ann", "ben", "cem"))
    endpoint.server.faults = ["lost"]
    shop.delivers(client(endpoint, tries=1))
    shop.wants(people("cem") | people("ben", city="Bonn"))
    shop.protects({"c-ann": "erasure"}, by="customer_id")
    endpoint.server.sent()
    shop.delivers(client(endpoint, batch_size=1), generation="g2")
    assert endpoint.server.sent() == [
        *(("remove", "ann"), ("remove", "ben"), ("add", "ben"), ("add", "cem")),
    ]
    assert (held(endpoint), endpoint.server.violations) == (["ben", "cem"], [])
    assert dict(endpoint.server.rows)["ben"]["city"] == "Bonn"


def test_a_refused_request_does_not_pass_for_rejected_rows(shop: Shop, endpoint: Endpoint) -> None:
    shop.wants(people("ann"))
    endpoint.server.faults = ["lost"]
    shop.delivers(client(endpoint, tries=1))
    endpoint.server.faults = ["refused"]
    shop.delivers(client(endpoint), generation="g2")
    (attempt,) = shop.attempts("unknown")
    assert (attempt["reason"], attempt["tries"]) == ("http_401", 2)
    shop.wants({})
    shop.protects({"ann": "erasure"})
    shop.delivers(client(endpoint), generation="g3")
    assert held(endpoint) == []


def test_nothing_is_kept_of_the_erased_once_their_removal_is_acknowledged(
    shop: Shop, endpoint: Endpoint
) -> None:
    shop.wants(people("ann", "ben"))
    endpoint.server.rejects = {"ben": "bad_hash"}
    shop.delivers(client(endpoint))
    shop.wants(people("cem"))
    shop.protects({"ann": "erasure", "ben": "erasure"})
    endpoint.server.faults = ["500"] * 2
    shop.delivers(client(endpoint))
    assert "ann" in everything(shop)  # not acknowledged yet
    assert "ben" not in everything(shop)  # was never there
    shop.delivers(client(endpoint))
    assert "ann" not in everything(shop)
    assert held(endpoint) == ["cem"]


def everything(shop: Shop) -> str:
    """All that the ledger holds, as text."""
    tables = [shop.session.fetch(f"select * from delivery.{name}") for name in ledger.TABLES]
    return repr(tables)


@dataclass(frozen=True)
class Night:
    """What happens in one night; a version of 0 is not wanted."""

    versions: tuple[int, ...]
    causes: dict[int, str]
    faults: list[str]
    rejects: set[int]
    day: int
    generation: str
    steps_to_live: int


MEMBERS = 5
NIGHTS = st.lists(
    st.builds(
        Night,
        versions=st.tuples(*[st.integers(0, 2)] * MEMBERS),
        causes=st.dictionaries(
            st.integers(0, MEMBERS - 1),
            st.sampled_from(["erasure", "consent", "merge"]),
            max_size=2,
        ),
        faults=st.lists(st.sampled_from(["", *FAULTS]), max_size=10),
        rejects=st.sets(st.integers(0, MEMBERS - 1), max_size=2),
        day=st.integers(0, 1),
        generation=st.sampled_from(["g1", "g2"]),
        steps_to_live=st.integers(0, 20),
    ),
    min_size=1,
    max_size=5,
)


def prepare(shop: Shop, night: Night) -> None:
    wanted = people("always")
    for index, version in enumerate(night.versions):
        if version:
            wanted |= people(f"m{index}", city=f"city {version}")
    shop.wants(wanted)
    shop.protects({f"m{index}": cause for index, cause in night.causes.items()})


def killer(steps: int) -> Callable[[str], None]:
    left = iter(range(steps))

    def reached(_: str) -> None:
        if next(left, None) is None:
            raise Killed

    return reached


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(nights=NIGHTS)
def test_every_wanted_member_is_there_once_after_any_nights(
    port: Endpoint, nights: list[Night]
) -> None:
    port.server = server = Server()
    with open_scratch() as session:
        shop = Shop(session)
        for night in nights:
            prepare(shop, night)
            server.faults = list(night.faults)
            server.rejects = {f"m{index}": "bad" for index in night.rejects}
            with contextlib.suppress(Killed):
                shop.delivers(
                    client(port, batch_size=2),
                    day=DAY + timedelta(days=night.day),
                    generation=night.generation,
                    reached=killer(night.steps_to_live),
                )
            assert server.violations == []
            there = {member for member, _ in server.rows}
            known = set(shop.members()) | {row["member_key"] for row in shop.attempts("unknown")}
            assert there <= known, "somebody is there and nobody knows"

        server.faults, server.rejects = [], {}
        report = shop.delivers(client(port, batch_size=2))
        objecting = {f"m{index}" for index, cause in nights[-1].causes.items() if cause != "merge"}
        wanted = {key: row for key, row in shop.wanted().items() if key not in objecting}
        assert report.status == "complete"
        assert Counter(member for member, _ in server.rows) == Counter(list(wanted))
        cities = dict(session.fetch("select member_key, city from desired"))
        assert {member: values["city"] for member, values in server.rows} == {
            member: cities[member] for member in wanted
        }
        assert shop.members() == wanted
        assert server.violations == []
        assert {row["member_key"] for row in shop.attempts("accepted")} <= set(wanted)
        assert shop.attempts("unknown") == shop.attempts("rejected") == []
        server.sent()
        shop.delivers(client(port))
        assert server.sent() == []


def night_in_a_process(home: Path, url: str, step: str) -> None:
    """Deliver from a warehouse on disk and be killed at a step."""

    def reached(name: str) -> None:
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    with open_database(home / "warehouse.duckdb", read_only=False) as session:
        destination = HttpEndpoint(Address(url), batch_size=2, patience=Patience(tries=1))
        Shop(session).delivers(destination, reached=reached)


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_run_loses_and_doubles_nobody(
    tmp_path: Path, endpoint: Endpoint, step: str
) -> None:
    with open_database(tmp_path / "warehouse.duckdb", read_only=False) as session:
        Shop(session).wants(people("ann", "ben", "cem"))
    victim = PROCESSES.Process(target=night_in_a_process, args=(tmp_path, endpoint.url, step))
    victim.start()
    victim.join()
    assert victim.exitcode == -signal.SIGKILL
    assert len(held(endpoint)) == (2 if step in {"sent", "recorded"} else 0)
    with open_database(tmp_path / "warehouse.duckdb", read_only=False) as session:
        shop = Shop(session)
        assert shop.delivers(client(endpoint), generation="g2").status == "complete"
        assert shop.members() == shop.wanted()
    assert (held(endpoint), endpoint.server.violations) == (["ann", "ben", "cem"], [])


# HTTP


def test_a_busy_destination_is_waited_for_within_bounds(shop: Shop, endpoint: Endpoint) -> None:
    waited: list[float] = []
    shop.wants(people("ann"))
    endpoint.server.faults = ["500", "hung_up", "429", "500", "500", "500", "500"]
    patience = Patience(tries=5, first_pause=1, longest_pause=6)
    destination = HttpEndpoint(Address(endpoint.url), patience=patience, wait=waited.append)
    report = shop.delivers(destination)
    assert waited == [1, 2, 6, 6]
    assert (report.status, report.unknown, report.added) == ("incomplete", 1, 0)
    assert [row["reason"] for row in shop.attempts("unknown")] == ["http_500"]
    endpoint.server.faults = ["refused"]
    shop.delivers(destination)
    assert len(waited) == 4, "who is refused does not ask again"


def test_a_slow_answer_is_not_waited_for(shop: Shop, endpoint: Endpoint) -> None:
    shop.wants(people("ann"))
    endpoint.server.faults, endpoint.server.delay = ["slow"], 1.0
    report = shop.delivers(client(endpoint, seconds=0.2, tries=2))
    assert (report.status, held(endpoint)) == ("complete", ["ann"])
    keys = {request["rows"][0]["key"] for request in endpoint.server.requests}
    assert (len(endpoint.server.requests), len(keys)) == (2, 1)


def test_a_dead_destination_is_left_alone_until_the_next_run(
    shop: Shop, endpoint: Endpoint
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    shop.wants(people(*names(40)))
    dead = HttpEndpoint(Address(url), batch_size=5, patience=Patience(tries=1), wait=lambda _: None)
    report = shop.delivers(dead)
    assert (report.status, report.unknown) == ("incomplete", 15)
    assert shop.delivers(client(endpoint)).status == "complete"
    assert held(endpoint) == names(40)


def test_the_token_is_sent_and_never_shown(
    shop: Shop, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    environment = {"LIFESTAGE_DEST_CRM_URL": endpoint.url, "LIFESTAGE_DEST_CRM_TOKEN": TOKEN}
    address = address_of("crm", environment)
    shop.wants(people("ann"))
    endpoint.server.faults = ["refused"]
    destination = HttpEndpoint(address)
    report = shop.delivers(destination)
    (headers,) = endpoint.server.headers
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    shown = f"{address} {report} {destination!r} {vars(destination)['_url'].path} {caplog.text}"
    assert TOKEN not in shown + everything(shop)
    with pytest.raises(DestinationError, match="mail has no address: set LIFESTAGE_DEST_MAIL_URL"):
        address_of("mail", environment)


@pytest.mark.parametrize(
    "url",
    ["http://crm.example.com/", "ftp://127.0.0.1/", "https://", "crm", "https://u:topsecret@x/"],
)
def test_an_address_is_safe_or_refused_without_being_shown(url: str) -> None:
    with pytest.raises(DestinationError) as refused:
        HttpEndpoint(Address(url))
    assert "example" not in str(refused.value)
    assert "topsecret" not in str(refused.value)


@pytest.mark.parametrize(
    ("path", "token"),
    [
        ("", "top\nsecret"),
        ("", "topsecret\u2603"),
        ("", "top secret"),
        ("t\u00f6psecret", "token"),
        ("top secret", "token"),
    ],
)
def test_a_secret_that_no_header_holds_is_refused_without_being_shown(
    path: str, token: str
) -> None:
    with pytest.raises(DestinationError) as refused:
        HttpEndpoint(Address(f"https://127.0.0.1/{path}", token))
    assert "secret" not in f"{refused.value} {refused.value.__context__}"


def test_redirects_are_not_followed(shop: Shop, endpoint: Endpoint) -> None:
    shop.wants(people("ann"))

    def answer(handler: Any, _: dict[str, Any]) -> None:
        handler.send_response(307)
        handler.send_header("Location", endpoint.url)
        handler.end_headers()

    redirecting = Endpoint()
    redirecting.answer = answer  # ty: ignore[invalid-assignment]
    report = shop.delivers(client(redirecting))
    redirecting.close()
    assert (report.unknown, endpoint.server.requests) == (1, [])


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("bad_hash", "bad_hash"),
        ("ann@example.com", "unspecified"),
        (None, "unspecified"),
        (7, "unspecified"),
    ],
)
def test_reasons_are_codes(said: object, kept: str) -> None:
    assert reason_code(said) == kept


def test_values_become_json_without_loss() -> None:
    from datetime import date
    from decimal import Decimal

    value = {
        "a": Decimal("0.10"),
        "b": [date(2026, 1, 2), float("nan"), None, True, 1.5],
        "c": ("x",),
    }
    written = plain(value)
    assert written == {"a": "0.10", "b": ["2026-01-02", None, None, True, 1.5], "c": ["x"]}
    json.dumps(written, allow_nan=False)


# Files


def folder(root: Path, **other: Any) -> FolderOfFiles:
    return FolderOfFiles(root / "crm", **other)


def read_list(place: Path, name: str, form: Format) -> list[dict[str, Any]]:
    path = place / f"{name}.{form}"
    if form == "csv":
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    if form == "jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    with open_scratch() as session:
        return session.fetch_records(f"select * from read_parquet('{path}')")


def keys(place: Path, name: str, form: Format) -> list[str]:
    return [row["member_key"] for row in read_list(place, name, form)]


def check_manifest(place: Path) -> dict[str, Any]:
    manifest = json.loads((place / MANIFEST_FILE).read_text())
    assert set(manifest["files"]) == {path.name for path in place.iterdir()} - {MANIFEST_FILE}
    for name, known in manifest["files"].items():
        assert file_hash(place / name) == known["sha256"]
        assert (place / name).stat().st_size == known["bytes"]
    return manifest


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_delivery_is_a_folder_with_all_members_and_what_changed(
    shop: Shop, tmp_path: Path, form: Format
) -> None:
    target = folder(tmp_path, form=form)
    shop.wants(people("ann", "ben", "cem") | {'=d"\r\n,': ("@x", -3)})
    assert shop.delivers(target).status == "complete"
    (first,) = target.complete("vip")
    assert check_manifest(first)["files"][f"members.{form}"]["rows"] == 4

    shop.wants(people("ben", "eve") | people("cem", city="Bonn") | {'=d"\r\n,': ("@x", -3)})
    shop.delivers(target, generation="g2")
    (second,) = target.complete("vip")
    assert second.name.startswith("2026-06-30-g2-")
    manifest = check_manifest(second)
    assert (manifest["as_of_date"], manifest["run_number"]) == ("2026-06-30", 2)
    odd = "'=d\"\r\n," if form == "csv" else '=d"\r\n,'
    assert keys(second, "members", form) == [
        '=d"\r\n,' if form != "csv" else odd,
        *("ben", "cem", "eve"),
    ]
    assert keys(second, "additions", form) == ["eve", "cem"]
    assert keys(second, "removals", form) == ["ann"]
    spent = [str(row["spent"]) for row in read_list(second, "members", form)]
    assert spent == ["-3.00", "12.50", "12.50", "12.50"]

    shop.protects({"ben": "erasure"})  # nobody new, and the guard holds the rest
    shop.wants(people("new"))
    report = shop.delivers(target, generation="g3", limits=STRICT)
    assert report.status == "stopped"
    (third,) = target.complete("vip")
    check_manifest(third)
    assert keys(third, "members", form) == [odd, "cem", "eve"]
    assert (keys(third, "removals", form), keys(third, "additions", form)) == (["ben"], [])
    old = (
        {row["member_key"]: row for row in read_list(second, "members", form)}
        if second.exists()
        else {}
    )
    assert old == {}, "the folder that named who left is gone"
    assert [row["city"] for row in read_list(third, "members", form)][1:] == ["Bonn", "Oslo"]


def test_spreadsheets_get_texts_that_are_no_formulas_and_numbers_as_they_are(
    shop: Shop, tmp_path: Path
) -> None:
    shop.wants({"+49301": ("=cmd|' /C calc'!A0", -10.5)})
    target = folder(tmp_path)
    shop.delivers(target)
    (place,) = target.complete("vip")
    text = (place / "members.csv").read_bytes().decode()
    assert text == ('"member_key","city","spent"\r\n"\'+49301","\'=cmd|\' /C calc\'!A0",-10.50\r\n')


def test_who_left_is_named_by_one_delivery_only(shop: Shop, tmp_path: Path) -> None:
    target = folder(tmp_path)
    shop.wants(people("ann", "ben", "cid"))
    shop.delivers(target)
    first = target.complete("vip")
    shop.delivers(target)
    assert target.complete("vip") == first  # nothing changed and nobody is named

    shop.wants(people("ann", "cid"))
    shop.protects({"ben": "erasure"})
    shop.delivers(target, generation="g2")
    (place,) = target.complete("vip")
    assert keys(place, "removals", "csv") == ["ben"]
    shop.protects({})
    for generation in ("g2", "g3"):
        report = shop.delivers(target, generation=generation)
        (place,) = target.complete("vip")
        assert (report.status, keys(place, "removals", "csv")) == ("complete", [])
        assert keys(place, "members", "csv") == ["ann", "cid"]
        assert check_manifest(place)["files"]["members.csv"]["rows"] == 2


def test_lists_that_are_lost_are_written_again_unless_they_are_stopped(
    shop: Shop, tmp_path: Path
) -> None:
    target = folder(tmp_path)
    shop.wants(people("ann", "ben"))
    shop.delivers(target)
    shutil.rmtree(target.root / "vip")
    stopped = shop.delivers(target, limits=STRICT)
    assert (stopped.status, target.complete("vip")) == ("stopped", [])
    shop.delivers(target)
    (place,) = target.complete("vip")
    assert keys(place, "members", "csv") == ["ann", "ben"]
    assert keys(place, "additions", "csv") == []


def test_a_format_is_one_of_three() -> None:
    assert [file_format(name) for name in ("csv", "jsonl", "parquet")] == [
        "csv",
        "jsonl",
        "parquet",
    ]
    with pytest.raises(DestinationError, match="use one of csv, jsonl, parquet"):
        file_format("xlsx")


def test_members_come_back_to_a_folder_that_lost_them_while_the_list_was_stopped(
    shop: Shop, tmp_path: Path
) -> None:
    target = folder(tmp_path)
    shop.wants(people("ann", "ben", "cid"))
    shop.delivers(target)
    shutil.rmtree(target.root / "vip")
    shop.protects({"ann": "erasure"})
    shop.delivers(target, limits=STRICT, generation="g2")
    (place,) = target.complete("vip")
    assert (keys(place, "removals", "csv"), (place / "members.csv").exists()) == (["ann"], False)
    shop.protects({})
    shop.wants(people("ben", "cid"))
    shop.delivers(target, limits=STRICT, generation="g2")
    (place,) = target.complete("vip")
    assert (keys(place, "removals", "csv"), (place / "members.csv").exists()) == ([], False)
    assert shop.delivers(target, limits=STRICT, generation="g2").status == "stopped"
    assert target.complete("vip") == [place]  # nothing is named, and nobody may be

    shop.delivers(target, generation="g2")
    (place,) = target.complete("vip")
    assert keys(place, "members", "csv") == ["ben", "cid"]


def test_files_are_not_for_everybody(shop: Shop, tmp_path: Path) -> None:
    shop.wants(people("ann"))
    target = folder(tmp_path)
    shop.delivers(target)
    (place,) = target.complete("vip")
    for path in (place, *place.iterdir()):
        assert not stat.S_IMODE(path.stat().st_mode) & stat.S_IRWXO


def test_equal_members_give_equal_bytes(tmp_path: Path) -> None:
    written = []
    for turn in ("one", "two"):
        with open_scratch() as session:
            shop = Shop(session)
            order = names(50) if turn == "one" else names(50)[::-1]
            shop.wants(people(*order))
            target = folder(tmp_path / turn, form="parquet")
            shop.delivers(target)
            (place,) = target.complete("vip")
            written.append({path.name: path.read_bytes() for path in place.iterdir()})
    assert written[0] == written[1]


def delivery_in_a_process(home: Path, step: str) -> None:
    """Deliver to a folder and be killed at a step of it."""

    def reached(name: str) -> None:
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    with open_database(home / "warehouse.duckdb", read_only=False) as session:
        Shop(session).delivers(folder(home, reached=reached), reached=reached, generation="g2")


@pytest.mark.parametrize("step", [*STEPS, *FILE_STEPS])
def test_readers_see_a_whole_delivery_or_none_and_the_next_run_heals(
    tmp_path: Path, step: str
) -> None:
    with open_database(tmp_path / "warehouse.duckdb", read_only=False) as session:
        shop = Shop(session)
        shop.wants(people("ann", "ben"))
        shop.delivers(folder(tmp_path))
        shop.wants(people("ben", "cem"))
    (before,) = folder(tmp_path).complete("vip")
    victim = PROCESSES.Process(target=delivery_in_a_process, args=(tmp_path, step))
    victim.start()
    victim.join()
    assert victim.exitcode == -signal.SIGKILL

    is_there = step in {"sealed", "tidied", "sent", "recorded"}
    newest = folder(tmp_path).complete("vip")[-1]
    check_manifest(newest)
    assert (newest == before) is not is_there
    assert keys(newest, "members", "csv") == (["ben", "cem"] if is_there else ["ann", "ben"])

    with open_database(tmp_path / "warehouse.duckdb", read_only=False) as session:
        shop = Shop(session)
        report = shop.delivers(folder(tmp_path), generation="g2")
        assert report.status == "complete"
        assert shop.members() == shop.wanted()
    (place,) = (path for path in (tmp_path / "crm" / "vip").iterdir())
    check_manifest(place)
    assert keys(place, "members", "csv") == ["ben", "cem"]
    # Once it is known that they left, the next delivery does not name them any more.
    assert (place.name == newest.name) is (is_there and step != "recorded")


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(nights=NIGHTS)
def test_a_folder_is_whole_after_any_nights(nights: list[Night]) -> None:
    with tempfile.TemporaryDirectory() as home, open_scratch() as session:
        shop, target = Shop(session), folder(Path(home), form="jsonl")
        for night in nights:
            prepare(shop, night)
            reached = killer(night.steps_to_live)
            with contextlib.suppress(Killed):
                shop.delivers(
                    replace(target, reached=reached),
                    day=DAY + timedelta(days=night.day),
                    generation=night.generation,
                    reached=reached,
                )
            for place in target.complete("vip"):
                check_manifest(place)
        shop.delivers(target)
        assert shop.delivers(target).status == "complete"
        objecting = {f"m{index}" for index, cause in nights[-1].causes.items() if cause != "merge"}
        cities = dict(session.fetch("select member_key, city from desired"))
        (place,) = target.complete("vip")
        assert {row["member_key"]: row["city"] for row in read_list(place, "members", "jsonl")} == {
            member: city for member, city in cities.items() if member not in objecting
        }
        assert shop.members().keys() == cities.keys() - objecting
        assert shop.attempts("unknown") == []


def test_a_folder_that_cannot_be_written_leaves_the_rows_for_the_next_run(
    shop: Shop, tmp_path: Path
) -> None:
    shop.wants(people("ann"))
    (tmp_path / "crm").write_text("in the way")
    with pytest.raises(DestinationError, match=r"the folder of crm cannot be written \("):
        shop.delivers(folder(tmp_path))
    assert shop.session.fetch("select status, unknown from delivery.deliveries") == [
        ("incomplete", 1)
    ]
    (tmp_path / "crm").unlink()
    assert shop.delivers(folder(tmp_path)).status == "complete"
    assert shop.members() == shop.wanted()


# PostgreSQL


@pytest.fixture(scope="module")
def cluster() -> Iterator[Address]:
    """A server of its own."""
    with postgres_server() as host:
        yield Address(f"host={host} user=postgres dbname=postgres")


@pytest.fixture
def database(cluster: Address) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        connection.execute("drop table if exists audience_members")
        connection.execute("drop schema if exists crm cascade")
        yield connection


def mirrored(database: psycopg.Connection[Any]) -> dict[str, Any]:
    rows = database.execute("select member_key, payload from audience_members").fetchall()
    assert len(rows) == len(dict(rows))
    return dict(rows)


def test_a_table_mirrors_the_members(
    shop: Shop, cluster: Address, database: psycopg.Connection[Any]
) -> None:
    table = MirrorTable(cluster)
    shop.wants(people("ann", "ben", 'c"\t\\N'))
    assert shop.delivers(table).status == "complete"
    assert mirrored(database)['c"\t\\N'] == {"city": "Oslo", "spent": "12.50"}

    shop.wants(people("ben", city="Bonn") | people("dee"))
    report = shop.delivers(table, generation="g2")
    assert (report.added, report.updated, report.removed) == (1, 1, 2)
    assert {key: row["city"] for key, row in mirrored(database).items()} == {
        "ben": "Bonn",
        "dee": "Oslo",
    }
    hashes = dict(database.execute("select member_key, row_hash from audience_members").fetchall())
    assert hashes == shop.members() == shop.wanted()


def test_a_table_in_a_schema_is_filled_as_it_is(
    shop: Shop, cluster: Address, database: psycopg.Connection[Any]
) -> None:
    database.execute("create schema crm")
    shop.wants(people("ann"))
    shop.delivers(MirrorTable(cluster, 'crm.odd "name'))
    shop.wants(people("ann", "ben"))
    shop.delivers(MirrorTable(cluster, 'crm.odd "name'))
    found = database.execute('select member_key from crm."odd ""name" order by 1').fetchall()
    assert found == [("ann",), ("ben",)]


@pytest.mark.parametrize("session", ["duckdb"], indirect=True)
def test_a_text_that_no_table_takes_is_rejected_alone(
    shop: Shop, cluster: Address, database: psycopg.Connection[Any]
) -> None:
    shop.wants({"ann": ("a\0b", 1), "ben": ("\\u0000", 1)})
    report = shop.delivers(MirrorTable(cluster))
    assert report.rejected == {"nul_in_text": 1}
    assert mirrored(database) == {"ben": {"city": "\\u0000", "spent": "1.00"}}


@pytest.mark.parametrize("trouble", ["constraint", "gone"])
def test_a_table_changes_as_a_whole_or_not_at_all(
    shop: Shop, cluster: Address, database: psycopg.Connection[Any], trouble: str
) -> None:
    shop.wants(people("ann", "ben"))
    shop.delivers(MirrorTable(cluster))
    database.execute("alter table audience_members add check (member_key <> 'eve')")
    shop.wants(people("ben", "dee", "eve"))
    address = cluster if trouble == "constraint" else Address("host=/nowhere password=topsecret")
    with pytest.raises(DestinationError, match="did not take the delivery") as failed:
        shop.delivers(MirrorTable(address), generation="g2")
    assert "topsecret" not in f"{failed.value} {failed.value.__cause__} {MirrorTable(address)}"
    assert "eve" not in str(failed.value)
    assert sorted(mirrored(database)) == ["ann", "ben"]

    shop.protects({"ann": "erasure"})
    shop.wants(people("dee"))
    report = shop.delivers(MirrorTable(cluster), generation="g3")
    assert report.status == "complete"
    assert sorted(mirrored(database)) == ["dee"]
    assert shop.members() == shop.wanted()
    assert "ann" not in everything(shop)


def test_a_commit_that_nobody_heard_of_is_repeated_without_harm(
    shop: Shop, cluster: Address, database: psycopg.Connection[Any]
) -> None:
    def reached(step: str) -> None:
        if step == "sent":
            raise Killed

    shop.wants(people("ann", "ben", "cem"))
    with pytest.raises(Killed):
        shop.delivers(MirrorTable(cluster), reached=reached)
    assert len(mirrored(database)) == 3
    shop.wants(people("ann") | people("ben", city="Bonn"))
    assert shop.delivers(MirrorTable(cluster), generation="g2").status == "complete"
    assert {key: row["city"] for key, row in mirrored(database).items()} == {
        "ann": "Oslo",
        "ben": "Bonn",
    }
    assert shop.members() == shop.wanted()
