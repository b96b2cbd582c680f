"""Publication on a server: what readers see of PostgreSQL before, during and after."""

import multiprocessing
import os
import threading
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from orchestration.config import Config, Publication
from orchestration.erasure.published import redact_published
from orchestration.erasure.requests import ask, count_open
from orchestration.erasure.traces import sweep
from orchestration.generations import Generation
from orchestration.holding import held_status
from orchestration.public_tables import MANIFEST
from orchestration.publication_status import PublicationHeld, PublicationStatus
from orchestration.report.queries import contents_of
from orchestration.settings import Server, Settings
from orchestration.shelf import FilesShelf, ServerShelf, report_writer, server, shelf_of
from orchestration.warehouse import (
    EngineError,
    Session,
    WarehouseError,
    only_run,
    open_database,
    open_server,
    postgres_views,
    turns,
)
from tests import published_file
from tests.conftest import make_installation
from tests.engines import postgres_server, spark_cluster
from tests.small_server import everything, judge, make_judged
from tests.small_warehouse import CODE, DAY, GOOD, VOLUME, result, small_contracts

ADDRESS = "ann@example.com"
NEXT_DAY = DAY + timedelta(days=1)
RULES = Publication(max_removed_share=0.1)
VIEWS = {
    *("customers", "customer_timeline", "rejected_rows", "check_results", "segment_verdicts"),
    *("manifest", "publication_status"),
}
# What the report adds up, compares or takes for a condition.
LACKING = {
    "customers": "days_since_last_order monetary next_segment_on orders",
    "segment_daily_metrics": "orders revenue",
    "order_intake": (
        "received_rows accepted_rows duplicate_rows excluded_rows rejected_rows held_rows"
    ),
    "segment_migrations": "period_start",
    "segment_performance": "period_start period_end",
    "contact_pressure": "as_of_date is_at_cap",
}
BEFORE = ("staged", "kept", "verified", "report_staged", "shown")
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


def write_report(session: Session, schema: str, status: PublicationStatus, target: Path) -> None:
    """Stands for the real report: what it shows comes from the tables."""
    customers = session.fetch(f"select count(*) from {schema}.customers")[0][0]
    target.write_text(f"<p>{customers} {status}</p>")


def broken_report(*_: Any) -> None:
    raise ZeroDivisionError


@pytest.fixture(scope="module")
def host() -> Generator[Path]:
    with postgres_server() as folder:
        yield folder


@pytest.fixture
def settings(host: Path, tmp_path: Path) -> Settings:
    """An installation on a fresh database with fifty judged customers."""
    with psycopg.connect(f"host={host} user=postgres", autocommit=True) as owner:
        owner.execute("drop database if exists warehouse with (force)")
        owner.execute("create database warehouse")
        for role in ("ann", "lifestage_reader"):
            owner.execute(f"drop role if exists {role}".encode())
    made = Settings(
        tmp_path,
        tmp_path / "lifestage.yml",
        tmp_path / "home",
        target="postgres",
        server=Server(
            host=str(host),
            port=5432,
            user="postgres",
            database="warehouse",
            reader="lifestage_reader",
        ),
    )
    make_judged(made)
    return made


def put(settings: Settings, **other: Any) -> Generation:
    asked: dict[str, Any] = {"code_hash": CODE, "contracts": small_contracts()}
    asked |= {"report": write_report, **other}
    rules = asked.pop("rules", RULES)
    return ServerShelf(settings, asked.pop("reached", lambda _: None)).publish(rules, DAY, **asked)


@contextmanager
def person(settings: Settings, name: str = "postgres") -> Generator[psycopg.Connection[Any]]:
    """Somebody else on the server, each statement for itself unless a transaction is begun."""
    server = settings.server
    with psycopg.connect(
        host=server.host, user=name, dbname=server.database, autocommit=True
    ) as connection:
        yield connection


def ask_as(settings: Settings, query: str, name: str = "postgres") -> list[tuple[Any, ...]]:
    with person(settings, name) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def seen(settings: Settings) -> dict[str, Any]:
    """Everything that readers see, with the report."""
    with open_server(settings) as session:
        found: dict[str, Any] = {
            name: session.fingerprint(f"published.{name}")
            for name in session.own_tables("published")
        }
    report = settings.published_dir / "report.html"
    return found | {"report": report.read_text() if report.exists() else None}


def generations(settings: Settings) -> set[str]:
    with open_server(settings) as session:
        return everything(session)


def assert_whole(settings: Settings) -> None:
    """All that readers see is of one generation, and nothing else is left lying around."""
    shelf = ServerShelf(settings)
    made, status = shelf.current(), shelf.status()
    assert made is not None
    assert made.generation == status.generation
    with open_server(settings) as session:
        assert set(session.own_tables("published")) == {
            *(table.name for table in made.tables),
            *("manifest", "publication_status"),
        }
        shown = [session.shown_by("published", name) for name in session.own_tables("published")]
        assert all(schemas == shown[0] and len(schemas) == 1 for schemas in shown)
        for table in made.tables:
            found = session.fingerprint(f"published.{table.name}")
            assert found == (table.rows, table.content_hash)
    assert str(status) in (settings.published_dir / "report.html").read_text()
    assert [path.name for path in settings.published_dir.iterdir()] == ["report.html"]


class TestPublish:
    def test_a_generation_is_complete_and_says_what_it_is(self, settings: Settings) -> None:
        made = put(settings)

        assert made.is_new
        assert made.as_of_date == DAY
        assert [(table.name, table.kind, table.rows) for table in made.tables] == [
            ("customers", "content", 50),
            ("customer_timeline", "content", 200),
            ("rejected_rows", "content", 2),
            ("check_results", "record", 3),
            ("segment_verdicts", "record", 0),
        ]
        shelf = ServerShelf(settings)
        current = shelf.current()
        assert current is not None
        assert sorted(current.tables, key=str) == sorted(made.tables, key=str)
        assert shelf.status() == PublicationStatus(DAY, made.generation, "pass")
        assert generations(settings) == {f"published_000001_{made.generation}"}
        with open_server(settings) as session:
            assert set(session.own_tables("published")) == VIEWS
            for name in VIEWS - {"rejected_rows", "customers", "customer_timeline"}:
                columns = session.columns(session.database, "published", name)
                assert all(comment for _, _, comment in columns), name
            timeline = session.columns(session.database, "published", "customer_timeline")
            assert ("monetary", "DECIMAL(18,4)", "Money so far.") in timeline
            assert [column.name for column in MANIFEST.columns] == [
                name for name, _, _ in session.columns("", "published", "manifest")
            ]
        assert_whole(settings)

    def test_the_engine_decides_what_a_shelf_is(self, settings: Settings) -> None:
        assert isinstance(shelf_of(settings), ServerShelf)
        assert isinstance(shelf_of(replace(settings, target="duckdb")), FilesShelf)

    def test_the_same_content_a_second_time_changes_nothing(self, settings: Settings) -> None:
        first, before = put(settings), seen(settings)
        written = (settings.published_dir / "report.html").stat().st_mtime_ns
        make_judged(settings)
        second = put(settings)

        assert not second.is_new
        assert second.generation == first.generation
        assert seen(settings) == before
        assert (settings.published_dir / "report.html").stat().st_mtime_ns == written
        assert len(generations(settings)) == 1

    def test_other_content_is_another_generation_whatever_the_order(
        self, settings: Settings
    ) -> None:
        first = put(settings)
        run_as_owner(
            settings,
            "create table marts.shuffled as select * from marts.customers"
            " order by md5(customer_id)",
        )
        run_as_owner(settings, "delete from marts.customers")
        run_as_owner(settings, "insert into marts.customers select * from marts.shuffled")
        assert not put(settings).is_new
        run_as_owner(
            settings,
            "update marts.customers set monetary = monetary + 0.0001 where customer_id = 'C1'",
        )
        second = put(settings)
        assert second.is_new
        assert second.generation != first.generation
        assert_whole(settings)

    def test_a_report_is_made_again_when_it_is_gone_and_removed_when_it_is_not_wanted(
        self, settings: Settings
    ) -> None:
        put(settings)
        report = settings.published_dir / "report.html"
        report.unlink()
        assert put(settings).is_new
        assert report.is_file()
        put(settings, report=None)
        assert not report.exists()

    def test_old_generations_go(self, settings: Settings) -> None:
        made = []
        for customers in (50, 51, 52, 53):
            make_judged(settings, customers)
            made.append(put(settings, rules=replace_rules(keep_generations=2)).generation)
        assert {schema[-16:] for schema in generations(settings)} == set(made[-2:])
        assert [one.generation for one in ServerShelf(settings).kept()] == made[:-3:-1]
        assert [one.is_served for one in ServerShelf(settings).kept()] == [True, False]


def replace_rules(**other: Any) -> Publication:
    return RULES.model_copy(update=other)


def run_as_owner(settings: Settings, statement: str) -> None:
    ask_as(settings, statement)


class TestRefusals:
    def test_without_a_verdict_nothing_is_shown(self, settings: Settings) -> None:
        with pytest.raises(PublicationHeld, match="the code changed"):
            put(settings, code_hash="other")
        assert generations(settings) == set()
        assert ServerShelf(settings).current() is None
        with pytest.raises(WarehouseError, match="nothing is published yet"):
            ServerShelf(settings).status()

    def test_checks_hold_it(self, settings: Settings) -> None:
        put(settings)
        before = seen(settings)
        make_judged(settings, 60)
        judge(settings, (result(VOLUME, "error"), *GOOD[1:]))
        with pytest.raises(PublicationHeld) as held:
            put(settings)
        assert held.value.held_by == ("volume_weekday",)
        assert seen(settings) == before

    def test_too_many_may_not_vanish_but_the_erased_may(self, settings: Settings) -> None:
        put(settings)
        before = seen(settings)
        make_judged(settings, 40)
        with pytest.raises(PublicationHeld, match="10 of 50 published customers") as held:
            put(settings)
        assert held.value.held_by == ("max_removed_share",)
        assert seen(settings) == before
        assert len(generations(settings)) == 1

        request(settings, *(f"C{number}" for number in range(41, 50)))
        assert put(settings).is_new

    def test_what_cannot_be_compared_holds_it(self, settings: Settings) -> None:
        put(settings)
        (schema,) = generations(settings)
        run_as_owner(settings, f"alter table {schema}.customers rename customer_id to name")
        make_judged(settings, 60)
        with pytest.raises(PublicationHeld, match="cannot be compared"):
            put(settings)

    @pytest.mark.parametrize(
        ("damage", "said"),
        [
            (
                "update marts.customer_timeline set cause = 'magic'",
                "200 rows with an unknown cause",
            ),
            ("update marts.customers set monetary = null", "50 rows without monetary"),
            (
                (
                    "update marts.customer_timeline set valid_from = '2024-01-01'"
                    " where customer_id = 'C7'"
                ),
                r"1 keys \(customer_id, valid_from\) have several rows",
            ),
            (
                "alter table marts.customers alter monetary type double precision",
                "monetary is DOUBLE instead of DECIMAL",
            ),
            ("alter table marts.customers add mood text", "the column mood is not declared"),
            ("alter table marts.customers drop monetary", "the column monetary is missing"),
        ],
    )
    def test_a_broken_contract_holds_it(self, settings: Settings, damage: str, said: str) -> None:
        run_as_owner(settings, damage)
        with pytest.raises(PublicationHeld, match=said) as held:
            put(settings)
        assert held.value.held_by == ("contract",)
        assert ServerShelf(settings).current() is None
        assert not list(settings.published_dir.iterdir())

    def test_nothing_to_publish(self, settings: Settings) -> None:
        run_as_owner(settings, "drop table marts.customers")
        with pytest.raises(WarehouseError, match="no customers table"):
            put(settings)


class TestReaders:
    def test_the_role_reads_what_is_published_and_nothing_else(self, settings: Settings) -> None:
        put(settings)
        run_as_owner(settings, "create role ann login in role lifestage_reader")
        (schema,) = generations(settings)
        for name in VIEWS:
            ask_as(settings, f"select count(*) from published.{name}", "ann")
        assert ask_as(settings, "select count(*) from published.customers", "ann") == [(50,)]
        for refused in (
            "select * from marts.customers",
            f"select * from {schema}.customers",
            f"select * from {schema}.seal",
            "delete from published.customers",
            "insert into published.rejected_rows values ('orders', 8)",
            "update published.publication_status set is_held = true",
            "create view published.mine as select 1 as one",
            "drop view published.customers",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                ask_as(settings, refused, "ann")
        with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
            ask_as(settings, "select 1", "lifestage_reader")

        make_judged(settings, 60)
        put(settings)
        assert ask_as(settings, "select count(*) from published.customers", "ann") == [(60,)]

    def test_who_may_not_make_the_role_is_told_who_may(self, settings: Settings) -> None:
        run_as_owner(settings, "create role ann login")
        run_as_owner(settings, "grant create on database warehouse to ann")
        meek = replace(settings, server=replace(settings.server, user="ann"))
        with pytest.raises(WarehouseError, match='create role "lifestage_reader" nologin') as told:
            put(meek)
        assert "\n" not in str(told.value)

    def test_a_view_on_top_survives_a_swap(self, settings: Settings) -> None:
        put(settings)
        run_as_owner(settings, "create schema bi")
        run_as_owner(
            settings,
            "create view bi.total as select sum(monetary) as total from published.customers",
        )
        before = ask_as(settings, "select total from bi.total")
        make_judged(settings, 60)
        put(settings)
        assert ask_as(settings, "select total from bi.total") != before
        assert_whole(settings)

    def test_a_new_column_comes_at_the_end_of_the_same_view(self, settings: Settings) -> None:
        put(settings)
        run_as_owner(settings, "create schema bi")
        run_as_owner(settings, "create view bi.all as select * from published.customers")
        make_judged(settings, 60, mood="calm")
        put(settings, contracts=with_mood())
        assert ask_as(settings, "select distinct mood from published.customers") == [("calm",)]
        assert ask_as(settings, "select count(*) from bi.all") == [(60,)]

    def test_other_columns_need_the_views_on_top_to_go(self, settings: Settings) -> None:
        make_judged(settings, 50, mood="calm")
        put(settings, contracts=with_mood())
        run_as_owner(settings, "create schema bi")
        run_as_owner(
            settings, "create view bi.names as select customer_id from published.customers"
        )
        before = seen(settings)
        make_judged(settings, 60)
        with pytest.raises(WarehouseError, match=r"columns now, and bi\.names depends") as told:
            put(settings)
        assert "\n" not in str(told.value)
        assert seen(settings) == before

        run_as_owner(settings, "drop view bi.names")
        assert put(settings).is_new
        assert_whole(settings)

    def test_a_table_that_is_not_published_any_more_has_no_view(self, settings: Settings) -> None:
        put(settings)
        run_as_owner(settings, "create view published.mine as select 1 as one")
        run_as_owner(settings, "drop table staging.rejected_rows")
        put(settings)
        with open_server(settings) as session:
            assert set(session.own_tables("published")) == {*VIEWS, "mine"} - {"rejected_rows"}

    def test_a_transaction_reads_one_generation_and_the_swap_waits_for_it(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = put(settings).generation
        make_judged(settings, 60)
        monkeypatch.setattr(postgres_views, "PAUSE_SECONDS", 0.05)
        made: list[Generation] = []
        waits = threading.Event()
        with person(settings) as reader:
            reader.execute("begin")
            assert reader.execute("select count(*) from published.customers").fetchall() == [(50,)]
            writer = threading.Thread(
                target=lambda: made.append(
                    put(settings, reached=lambda step: waits.set() if step == "kept" else None)
                )
            )
            writer.start()
            assert waits.wait(30)
            # The writer gives its locks back each time, so that others are not kept waiting.
            for _ in range(3):
                rows = ask_as(settings, "select count(*), min(generation) from published.manifest")
                assert rows == [(5, first)]
                status = reader.execute("select generation from published.publication_status")
                assert status.fetchall() == [(first,)]
            assert writer.is_alive()
            reader.execute("commit")
            writer.join(30)
            rows = reader.execute("select count(*) from published.customers").fetchall()
        assert rows == [(60,)]
        assert made[0].is_new
        assert_whole(settings)

    def test_a_moment_before_the_tables_were_written_finds_none_of_their_rows(
        self, settings: Settings
    ) -> None:
        put(settings)
        make_judged(settings, 60)
        with person(settings) as reader:
            reader.execute("begin isolation level repeatable read")
            reader.execute("select 1")
            put(settings)
            for name in ("publication_status", "customers"):
                assert reader.execute(f"select * from published.{name}".encode()).fetchall() == []

    def test_a_reader_without_end_is_named(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(settings)
        before = seen(settings)
        make_judged(settings, 60)
        monkeypatch.setattr(postgres_views, "PAUSE_SECONDS", 0)
        monkeypatch.setattr(postgres_views, "TRIES", 2)
        with person(settings) as reader:
            reader.execute("begin")
            reader.execute("select * from published.customers")
            with pytest.raises(WarehouseError, match=f"process {reader.info.backend_pid} of"):
                put(settings)
            reader.execute("rollback")
        assert seen(settings) == before
        put(settings)
        assert_whole(settings)

    def test_a_reader_keeps_the_tables_it_reads_until_the_next_time(
        self, settings: Settings
    ) -> None:
        only = replace_rules(keep_generations=1)
        with person(settings) as reader:
            put(settings, rules=only)
            (first,) = generations(settings)
            reader.execute("begin")
            reader.execute(f"select * from {first}.customers".encode())
            make_judged(settings, 60)
            put(settings, rules=only)
            assert first in generations(settings)
            reader.execute("rollback")
        put(settings, rules=only)
        assert first not in generations(settings)

    def test_what_others_built_on_a_generation_is_not_dropped(self, settings: Settings) -> None:
        only = replace_rules(keep_generations=1)
        put(settings, rules=only)
        (first,) = generations(settings)
        run_as_owner(settings, f"create view public.mine as select * from {first}.customers")
        make_judged(settings, 60)
        put(settings, rules=only)
        assert first in generations(settings)
        assert ask_as(settings, "select count(*) from public.mine") == [(50,)]
        assert_whole(settings)

        request(settings, "C50")
        with pytest.raises(WarehouseError, match=f"{first} is not of Lifestage"):
            sweep(settings)
        run_as_owner(settings, "drop view public.mine")
        put(settings, rules=only)
        assert len(generations(settings)) == 1


def with_mood() -> dict[str, Any]:
    """Contracts in which customers have one more column."""
    known = small_contracts()
    columns = known["customers"].columns
    mood = replace(columns[0], name="mood", description="How they are.")
    return known | {"customers": replace(known["customers"], columns=(*columns, mood))}


class TestKilled:
    @pytest.mark.parametrize("step", [*BEFORE, "in_place"])
    def test_a_killed_run_leaves_one_generation_or_the_other(
        self, settings: Settings, step: str
    ) -> None:
        put(settings)
        before = seen(settings)
        make_judged(settings, 60)
        process = PROCESSES.Process(target=put_and_die, args=(settings, step))
        process.start()
        process.join(60)
        assert process.exitcode == 9

        if step in BEFORE:
            assert seen(settings) == before
        else:
            assert ask_as(settings, "select count(*) from published.customers") == [(60,)]
        made = put(settings)
        assert made.is_new == (step in BEFORE)
        assert_whole(settings)
        assert len(generations(settings)) == 2

    def test_what_was_never_shown_is_not_gone_back_to(self, settings: Settings) -> None:
        first = put(settings).generation
        make_judged(settings, 60)
        process = PROCESSES.Process(target=put_and_die, args=(settings, "verified"))
        process.start()
        process.join(60)
        shelf = ServerShelf(settings)
        assert [one.generation for one in shelf.kept()] == [first]
        with pytest.raises(WarehouseError, match="no such older generation"):
            shelf.rollback()
        assert len(generations(settings)) == 1


def put_and_die(settings: Settings, step: str) -> None:
    def die(reached: str) -> None:
        if reached == step:
            os._exit(9)

    put(settings, reached=die)


class TestHolding:
    def test_a_held_night_changes_one_row_and_the_report(self, settings: Settings) -> None:
        put(settings)
        before, there = seen(settings), generations(settings)
        shelf = ServerShelf(settings)
        held = shelf.hold(NEXT_DAY, "orders stopped.", held_by=("volume",), report=write_report)

        assert held.is_new
        assert held.status is not None
        assert held.status == shelf.status()
        assert (held.status.is_held, held.status.days_behind) == (True, 1)
        after = seen(settings)
        assert {name for name in after if after[name] != before[name]} == {
            *("publication_status", "report")
        }
        assert generations(settings) == there
        assert_whole(settings)
        again = shelf.hold(NEXT_DAY, "orders stopped.", held_by=("volume",), report=write_report)
        assert not again.is_new
        assert seen(settings) == after

        assert put(settings).is_new
        assert not shelf.status().is_held
        assert_whole(settings)

    def test_before_anything_is_published_there_is_nothing_to_tell(
        self, settings: Settings
    ) -> None:
        told = ServerShelf(settings).hold(DAY, "orders stopped.", report=write_report)
        assert (told.status, told.is_new) == (None, False)

    def test_a_report_that_cannot_be_written_does_not_hide_it(self, settings: Settings) -> None:
        put(settings)
        shelf = ServerShelf(settings)
        page = (settings.published_dir / "report.html").read_text()
        with pytest.raises(WarehouseError, match="report could not be written"):
            shelf.hold(NEXT_DAY, "orders stopped.", report=broken_report)
        assert shelf.status().is_held
        assert (settings.published_dir / "report.html").read_text() == page

    def test_readers_in_a_transaction_do_not_keep_it_from_being_told(
        self, settings: Settings
    ) -> None:
        put(settings)
        with person(settings) as reader:
            reader.execute("begin isolation level repeatable read")
            reader.execute("select * from published.publication_status")
            ServerShelf(settings).hold(NEXT_DAY, "orders stopped.", report=write_report)
            told = reader.execute("select is_held from published.publication_status").fetchall()
            assert told == [(False,)]
            reader.execute("commit")
            told = reader.execute("select is_held from published.publication_status").fetchall()
            assert told == [(True,)]


class TestRollback:
    @pytest.fixture
    def three(self, settings: Settings) -> list[Generation]:
        made = []
        for customers in (50, 60, 70):
            make_judged(settings, customers)
            made.append(put(settings))
        return made

    def test_it_goes_back_step_by_step_and_forward_by_name(
        self, settings: Settings, three: list[Generation]
    ) -> None:
        shelf = ServerShelf(settings)
        told = shelf.rollback(report=write_report)
        assert told.status is not None
        assert told.status == shelf.status()
        assert told.status.generation == three[1].generation
        assert (told.status.is_held, told.status.held_by) == (True, "rollback")
        assert ask_as(settings, "select count(*) from published.customers") == [(60,)]
        assert_whole(settings)

        shelf.rollback(report=write_report)
        assert ask_as(settings, "select count(*) from published.customers") == [(50,)]
        with pytest.raises(WarehouseError, match="no such older generation"):
            shelf.rollback()
        shelf.rollback(three[2].generation, report=write_report)
        assert ask_as(settings, "select count(*) from published.customers") == [(70,)]
        with pytest.raises(WarehouseError, match="see already"):
            shelf.rollback(three[2].generation)
        assert_whole(settings)

        assert put(settings).is_new
        assert not shelf.status().is_held
        assert_whole(settings)

    def test_a_damaged_generation_is_not_put_back(
        self, settings: Settings, three: list[Generation]
    ) -> None:
        before = seen(settings)
        run_as_owner(
            settings,
            f"delete from published_000002_{three[1].generation}.customers"
            " where customer_id = 'C1'",
        )
        shelf = ServerShelf(settings)
        with pytest.raises(WarehouseError, match=r"not what it was to be \(59 rows, 60"):
            shelf.rollback()
        assert seen(settings) == before
        shelf.rollback(three[0].generation)
        assert ask_as(settings, "select count(*) from published.customers") == [(50,)]


def request(settings: Settings, *customers: str) -> None:
    with open_server(settings) as session:
        for customer in customers:
            ask(session, "customer_id", customer)


class TestErasure:
    @pytest.fixture
    def two(self, settings: Settings) -> Settings:
        put(settings)
        make_judged(settings, 51)
        put(settings)
        return settings

    def test_a_held_night_takes_the_erased_out_of_what_is_served(self, two: Settings) -> None:
        shelf = ServerShelf(two)
        shelf.hold(NEXT_DAY, "orders stopped.", report=write_report)
        before, page = shelf.status(), (two.published_dir / "report.html").read_text()
        delivered = two.home / "deliveries" / "mail"
        delivered.mkdir(parents=True)
        request(two, "C7", "C8")
        assert redact_published(two) == 10

        after = shelf.status()
        assert replace(after, generation=before.generation) == before
        assert after.generation != before.generation
        found = ask_as(two, "select customer_id from published.customers")
        assert {name for (name,) in found} == {f"C{n}" for n in range(51)} - {"C7", "C8"}
        assert generations(two) == {f"published_000003_{after.generation}"}
        made = shelf.current()
        assert made is not None
        assert {table.name: table.rows for table in made.tables}["customer_timeline"] == 196
        assert (two.published_dir / "report.html").read_text() == page
        assert not delivered.parent.exists()
        assert redact_published(two) == 0

    def test_what_was_broken_off_is_taken_up_again(
        self, two: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        delivered = two.home / "deliveries"
        delivered.mkdir(parents=True)
        request(two, "C7")
        with monkeypatch.context() as broken:
            broken.setattr(server, "forget_past", broken_report)
            with pytest.raises(ZeroDivisionError):
                redact_published(two)
        assert len(generations(two)) == 3
        assert redact_published(two) == 0
        assert len(generations(two)) == 1
        assert not delivered.exists()

    def test_only_tables_of_lifestage_are_written_anew(self, two: Settings) -> None:
        run_as_owner(two, "create table public.mine as select 1 as n")
        where = (
            "select pg_relation_filenode('public.mine'), pg_relation_filenode('marts.customers')"
        )
        ((mine, customers),) = ask_as(two, where)
        with open_server(two) as session:
            session.compact({"marts"})
        ((mine_now, customers_now),) = ask_as(two, where)
        assert mine_now == mine
        assert customers_now != customers

    def test_an_erasure_leaves_nothing_to_go_back_to(self, two: Settings) -> None:
        request(two, "C50")
        make_judged(two, 50)
        put(two)
        assert sweep(two) == 1
        assert len(generations(two)) == 1
        with pytest.raises(WarehouseError, match="no such older generation"):
            ServerShelf(two).rollback()
        assert_whole(two)

    def test_a_reader_of_older_tables_keeps_the_requests_open(self, two: Settings) -> None:
        old = min(generations(two))
        request(two, "C50")
        with person(two) as reader:
            reader.execute("begin")
            reader.execute(f"select * from {old}.customers".encode())
            with pytest.raises(WarehouseError, match="older tables"):
                sweep(two)
            reader.execute("rollback")
        with open_server(two) as session:
            assert count_open(session) == 1
        assert sweep(two) == 1


class TestWayIn:
    def test_one_run_at_a_time_whatever_machine_it_is_on(
        self, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(turns, "WAIT_FOR_LOCK_SECONDS", 0)
        waited = []
        with only_run(settings):
            other = only_run(replace(settings, home=tmp_path / "laptop"), lambda: waited.append(1))
            with pytest.raises(WarehouseError, match="another run still holds"), other:
                pytest.fail("two at a time")
        assert waited
        with only_run(replace(settings, home=tmp_path / "laptop")):
            pass

    @pytest.mark.parametrize(
        ("made", "lack"),
        [
            ("locale_provider icu icu_locale 'en-US' lc_collate 'C'", "by its bytes"),
            ("lc_collate 'C' lc_ctype 'C'", "only the letters of English"),
            ("encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'", "UTF-8"),
        ],
    )
    def test_a_database_with_another_order_or_other_letters_is_refused(
        self, settings: Settings, made: str, lack: str
    ) -> None:
        run_as_owner(settings, f"create database otherwise template template0 {made}")
        elsewhere = replace(settings.server, database="otherwise")
        try:
            with (
                pytest.raises(WarehouseError, match=lack),
                open_server(replace(settings, server=elsewhere)),
            ):
                pytest.fail("it was let in")
        finally:
            run_as_owner(settings, "drop database otherwise")

    def test_no_cause_carries_the_words_of_the_engine(self, settings: Settings) -> None:
        with open_server(settings) as session, pytest.raises(EngineError) as failed:
            session.run("select cast(? as integer)", [ADDRESS])
        assert ADDRESS not in "".join(traceback.format_exception(failed.value))
        assert ADDRESS in failed.value.said

    def test_commands_before_the_first_night_end_in_a_line(
        self, host: Path, settings: Settings, tmp_path: Path
    ) -> None:
        run_as_owner(settings, "create database fresh")
        engine = {"TARGET": "postgres"} | {
            f"POSTGRES_{name}": value
            for name, value in {"HOST": host, "USER": "postgres", "DATABASE": "fresh"}.items()
        }
        shop = make_installation(
            tmp_path / "shop", {f"LIFESTAGE_{name}": str(value) for name, value in engine.items()}
        )
        try:
            told = shop.lifestage("status")
            asked = shop.lifestage("explain", "C0042")
        finally:
            run_as_owner(settings, "drop database fresh with (force)")
        assert told.returncode == 0
        assert "none yet: run `lifestage refresh`" in told.stdout
        assert asked.stderr.splitlines() == [
            "lifestage: there are no tables yet: run `lifestage refresh` first"
        ]


class TestReport:
    @pytest.fixture
    def copied(self, settings: Settings, tmp_path: Path) -> Path:
        """A published file, and its tables on the server."""
        file = published_file.build(tmp_path / "full.duckdb")
        with open_database(file, read_only=True) as source, open_server(settings) as server:
            server.run("create schema published")
            for name in sorted(table for _, table in source.relations("full")):
                columns = source.columns("full", "published", name)
                named = ", ".join(f'"{column}" {kind}' for column, kind, _ in columns)
                server.run(f"create table published.{name} ({named})")
                rows = source.fetch(f"select * from published.{name}", cap=100_000)
                copy_rows(settings, name, rows)
        return file

    def test_it_says_the_same_as_that_of_a_file(self, settings: Settings, copied: Path) -> None:
        with open_database(copied, read_only=True) as source, open_server(settings) as server:
            here = contents_of(source, "full")
            there = contents_of(server, server.database)
        assert len(there.sizes) == len(published_file.SEGMENTS)
        assert comparable(asdict(there)) == comparable(asdict(here))

    def test_older_tables_may_lack_columns(self, settings: Settings, copied: Path) -> None:
        with open_database(copied, read_only=False) as source, open_server(settings) as server:
            for table, columns in LACKING.items():
                for column in columns.split():
                    found = []
                    for session, place in ((source, "full"), (server, server.database)):
                        session.begin()
                        session.run(f"alter table published.{table} drop column {column}")
                        found.append(comparable(asdict(contents_of(session, place))))
                        session.rollback()
                    assert found[0] == found[1], (table, column)

    def test_it_says_what_readers_will_be_told(
        self, settings: Settings, copied: Path, tmp_path: Path
    ) -> None:
        write = report_writer(Config(currency="EUR"))
        assert write is not None
        status = PublicationStatus(DAY, "5f0e", "pass")
        held = held_status(status, NEXT_DAY, "orders stopped.", ())
        with open_server(settings) as session:
            write(session, "published", status, tmp_path / "page.html")
            write(session, "published", held, tmp_path / "held.html")
        assert "orders stopped." not in (tmp_path / "page.html").read_text()
        assert "orders stopped." in (tmp_path / "held.html").read_text()


def copy_rows(settings: Settings, name: str, rows: list[tuple[Any, ...]]) -> None:
    with (
        person(settings) as connection,
        connection.cursor().copy(f"copy published.{name} from stdin".encode()) as lines,
    ):
        for row in rows:
            lines.write_row(row)


def comparable(value: Any) -> Any:
    """Numbers of any kind as numbers of eight figures: averages have other types."""
    if isinstance(value, dict):
        return {name: comparable(part) for name, part in value.items()}
    if isinstance(value, list):
        return [comparable(part) for part in value]
    if isinstance(value, (Decimal, float, int)) and not isinstance(value, bool):
        return f"{float(value):.8g}"
    return value


@pytest.mark.large
def test_spark_shows_one_view_after_the_other(tmp_path: Path) -> None:
    with spark_cluster() as cluster:
        settings = Settings(
            tmp_path,
            tmp_path / "lifestage.yml",
            tmp_path / "home",
            target="spark",
            server=Server(host="127.0.0.1", port=cluster.port, user="lifestage"),
        )
        make_judged(settings)
        first = put(settings)
        assert first.is_new
        assert not put(settings).is_new
        assert_whole(settings)

        make_judged(settings, 52)
        second = put(settings)
        shelf = ServerShelf(settings)
        assert [one.generation for one in shelf.kept()] == [second.generation, first.generation]
        shelf.hold(NEXT_DAY, "orders stopped.", report=write_report)
        assert shelf.status().is_held
        shelf.rollback(report=write_report)
        assert shelf.status().generation == first.generation
        assert_whole(settings)

        request(settings, "C7")
        assert redact_published(settings) == 5
        assert len(generations(settings)) == 1
        with shelf.opened() as session:
            assert session.fetch("select count(*) from published.customers") == [(49,)]
        make_judged(settings, 30)
        with pytest.raises(PublicationHeld, match="20 of 49 published customers"):
            put(settings)
