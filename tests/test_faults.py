"""Faults end to end: what goes wrong in a shop or on a machine, and what must hold then.

Each test hits an installation of its own through the command line and asks `assert_invariants`
(tests/faults.py) afterwards. docs/faults.md lists the faults, also those that other modules hold.
LIFESTAGE_FAULT_SEEDS sets how many runs are killed at random times.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from multiprocessing import get_context
from typing import TYPE_CHECKING

import dagster as dg
import duckdb
import pytest

from orchestration.check_tables import add_rows, make_tables
from orchestration.defs.alerts import alert_sensor
from orchestration.publication import published_generation
from orchestration.warehouse import DuckdbSession
from tests.conftest import REPOSITORY
from tests.faults import (
    BASE_DAY,
    MARKER,
    Served,
    Shop,
    ask,
    assert_invariants,
    days_until,
    make_shop,
    orders_of,
    places_with,
    reader_session,
)
from tests.test_alerts import Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEXT_DAY = BASE_DAY + timedelta(days=1)
WEEK_LATER = BASE_DAY + timedelta(days=7)
WEEK = days_until(WEEK_LATER, NEXT_DAY)
SEEDS = int(os.environ.get("LIFESTAGE_FAULT_SEEDS", "2"))


@dataclass(frozen=True)
class Undisturbed:
    """What an installation comes to that nothing happens to."""

    shop: Shop
    served: Served
    seconds: float


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Build the shop as of the base day; every fault hits a copy of it."""
    shop = make_shop(
        tmp_path_factory.mktemp("faults") / "base", days_until(BASE_DAY), has_people=True
    )
    built = undisturbed(shop, BASE_DAY)
    assert sum(map(len, shop.lists().values())) > 50
    return built


@pytest.fixture(scope="module")
def next_night(base: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Run the next night as it should be."""
    shop = base.shop.copy(tmp_path_factory.mktemp("faults") / "next")
    shop.deliver(NEXT_DAY)
    return undisturbed(shop, NEXT_DAY)


@pytest.fixture(scope="module")
def next_week(base: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Run the last night of the next week, with all its files."""
    shop = base.shop.copy(tmp_path_factory.mktemp("faults") / "week")
    for day in WEEK:
        shop.deliver(day)
    return undisturbed(shop, WEEK_LATER)


@pytest.fixture
def shop(base: Undisturbed, tmp_path: Path) -> Shop:
    """An installation to do harm to, on the eve of the next night."""
    return base.shop.copy(tmp_path / "shop")


@pytest.fixture(scope="module")
def unlucky(base: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """An installation that is hit by one fault after the other on the eve of the next night.

    Each of its tests puts right what it did, and the last one runs the night.
    """
    shop = base.shop.copy(tmp_path_factory.mktemp("faults") / "unlucky")
    shop.deliver(NEXT_DAY)
    return shop


def undisturbed(shop: Shop, day: date) -> Undisturbed:
    started = time.monotonic()
    done = shop.night(day)
    assert done.returncode == 0, done.stderr
    served = shop.served(day)
    assert_invariants(shop, [served])
    assert not shop.status.is_held
    return Undisturbed(shop, served, time.monotonic() - started)


# One fault after the other, and the night after all


def test_files_that_cannot_be_trusted_change_nothing(unlucky: Shop, base: Undisturbed) -> None:
    """X60, X61."""
    shop = unlucky
    inbox = shop.inbox.rename(shop.root / "elsewhere")
    done = shop.night(NEXT_DAY)
    inbox.rename(shop.inbox)
    names = ("in/*.csv", "MISSING_FILE", "deliver the file")
    assert_invariants(shop, [base.served], done, names)
    assert (shop.status.is_held, shop.status.days_behind) == (True, 1)

    path = shop.inbox / f"{NEXT_DAY}.csv"
    path.write_text(path.read_text().replace("customer_id", "customer_ref", 1))
    done = shop.night(NEXT_DAY)
    shop.deliver(NEXT_DAY)
    names = (f"in/{path.name}", "MISSING_COLUMN", "customer_id", "customer_ref")
    assert_invariants(shop, [base.served], done, names)


def test_a_failing_test_of_the_tables_publishes_nothing(unlucky: Shop, base: Undisturbed) -> None:
    """X40: a status is listed twice, which the linter of the rules does not see."""
    shop = unlucky
    rules, settings = shop.root / "rules", shop.root / "lifestage.yml"
    shipped = (REPOSITORY / "seeds" / "rules" / "order_statuses.csv").read_text()
    configured = settings.read_text()
    rules.mkdir()
    (rules / "order_statuses.csv").write_text(f"{shipped}completed,counted\n")
    settings.write_text(f"{configured}rules: rules\n")
    linted, done = shop.lifestage("lint-rules"), shop.night(NEXT_DAY)
    settings.write_text(configured)
    assert linted.returncode == 0, linted.stderr
    assert_invariants(shop, [base.served], done, ("unique_order_statuses_status", "dbt.log"))
    assert shop.status.held_as_of == NEXT_DAY


def test_a_reader_on_the_private_warehouse_is_named(unlucky: Shop, base: Undisturbed) -> None:
    """X23."""
    with reader_session(unlucky.warehouse) as (process, _):
        done = unlucky.night(NEXT_DAY)
    names = ("warehouse.duckdb", f"process {process}", "published/")
    assert_invariants(unlucky, [base.served], done, names)


def test_a_run_killed_at_any_time_leaves_a_whole_generation(
    unlucky: Shop, base: Undisturbed, next_night: Undisturbed
) -> None:
    """X01."""
    shop = unlucky
    database = shop.published
    before = database.read_bytes()
    for seed in range(SEEDS):
        run = shop.start(NEXT_DAY)
        time.sleep(random.Random(seed).uniform(0, next_night.seconds))
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        is_old = shop.status.generation == base.served.generation
        assert not is_old or database.read_bytes() == before
        assert ask(shop.warehouse, "select count(*) > 0 from marts.customers")
        assert_invariants(shop, [base.served, next_night.served])


def test_two_refreshes_at_once_under_the_eyes_of_a_reader(
    unlucky: Shop, next_night: Undisturbed
) -> None:
    """X20, X21, X22; and I5 for all the faults above."""
    shop = unlucky
    newest = "select generation from published.publication_status"
    with reader_session(shop.published) as (_, asked):
        before = asked(newest)
        runs = [shop.start(NEXT_DAY), shop.start(NEXT_DAY)]
        for run in runs:
            _, said = run.communicate()
            assert run.returncode == 0, said
        assert asked(newest) == before
    assert_invariants(shop, [next_night.served])
    assert not shop.status.is_held
    verdicts = "select as_of_date, count(*) from checks.verdicts group by all order by all"
    assert ask(shop.warehouse, verdicts) == [(BASE_DAY, 1), (NEXT_DAY, 1)]


# Storage


def write_and_abort(warehouse: Path, point: str) -> None:
    """Approve something, and let the engine stop in the middle of its checkpoint."""
    connection = duckdb.connect(warehouse)
    session = DuckdbSession(connection)
    make_tables(session)
    row = {"check_id": "C02", "approved_by": point, "reason": "test"}
    add_rows(session, "approvals", [row | {"as_of_date": BASE_DAY, "valid_until": BASE_DAY}])
    connection.execute(f"set debug_checkpoint_abort = '{point}'")
    try:
        connection.execute("force checkpoint")
    except duckdb.FatalException:
        os._exit(99)


@pytest.mark.parametrize(
    "point", ["before_wal_finish", "before_truncate", "before_header", "after_free_list_write"]
)
def test_an_aborted_checkpoint_loses_nothing_that_was_committed(
    base: Undisturbed, tmp_path: Path, point: str
) -> None:
    """X05."""
    shop = base.shop.copy(tmp_path / "shop")
    warehouse = shop.warehouse
    count = "select count(*) from checks.check_results"
    before = ask(warehouse, count)
    victim = get_context("spawn").Process(target=write_and_abort, args=(warehouse, point))
    victim.start()
    victim.join()
    assert victim.exitcode == 99
    assert ask(warehouse, "select approved_by from checks.approvals") == [(point,)]
    assert ask(warehouse, count) == before
    assert_invariants(shop, [base.served])


# Days and data


def test_rows_and_days_that_come_twice_or_late_count_once(
    base: Undisturbed, next_week: Undisturbed, tmp_path: Path
) -> None:
    """X63, X25, X26: rows loaded twice, a file delivered twice, nights in any order."""
    shop = base.shop.copy(tmp_path / "shop")
    for day in WEEK:
        shop.deliver(day)
    shop.deliver(WEEK[2], orders_of(WEEK[2]) * 2)
    shop.deliver(BASE_DAY, name="sent-again")
    done = shop.night(WEEK_LATER)
    assert done.returncode == 0, done.stderr
    twice = shop.served(WEEK_LATER)
    assert replace(twice.totals, rows=next_week.served.totals.rows) == next_week.served.totals
    assert_invariants(shop, [twice])
    contents, expected = (content_of(one) for one in (shop, next_week.shop))
    assert {name for name in expected if contents[name] != expected[name]} == {"order_intake"}
    assert result(shop, "key_integrity") == {"pass", "warn"}

    shop.deliver(WEEK[2])
    for day in random.Random(25).sample(WEEK[:-1], 1 if SEEDS < 10 else 5):
        done = shop.night(day)
        assert done.returncode == 0, done.stderr
        assert_invariants(shop, [next_week.served])
    assert shop.status.as_of_date == WEEK_LATER


def test_a_silent_feed_is_held_unless_somebody_accepts_it(shop: Shop, base: Undisturbed) -> None:
    """X62, X45: after a day the volume is missed, later the freshness, which nobody can accept."""
    told = ("--by", "Ann Example", "--reason", "bank holiday", "--until", WEEK_LATER.isoformat())
    done = shop.night(NEXT_DAY)
    assert_invariants(shop, [base.served], done, ("volume_weekday", "orders"))
    done = shop.lifestage("approve", "volume_weekday", "--as-of", NEXT_DAY.isoformat(), *told)
    assert done.returncode == 0, done.stderr
    done = shop.night(NEXT_DAY)
    assert done.returncode == 0, done.stderr
    accepted = Served(shop.status.generation, base.served.totals)
    assert_invariants(shop, [accepted])
    assert (shop.status.verdict, shop.status.approved_checks) == ("approved", "volume_weekday")

    silent = 3
    day = BASE_DAY + timedelta(days=silent)
    done = shop.night(day)
    assert_invariants(shop, [accepted], done, ("source_freshness", "orders"))
    assert shop.status.days_behind == silent - 1
    assert f"held       since {day}" in shop.lifestage("status").stdout
    assert shop.lifestage("checks").stdout.splitlines()[1].startswith("error")
    done = shop.lifestage("approve", "source_freshness", "--as-of", day.isoformat(), *told)
    assert_invariants(shop, [accepted], done, ("source_freshness is required",))


def test_money_in_another_unit_is_published_but_nobody_is_written_to(
    shop: Shop, base: Undisturbed, next_night: Undisturbed
) -> None:
    """X65: cents for euros."""
    rows = [(*row[:3], str(Decimal(row[3]) * 100), *row[4:]) for row in orders_of(NEXT_DAY)]
    shop.deliver(NEXT_DAY, rows)
    done = shop.night(NEXT_DAY)
    assert done.returncode == 0, done.stderr
    assert "messages are held back" in done.stdout
    wrong = shop.served(NEXT_DAY)
    assert_invariants(shop, [wrong])
    assert "error" in result(shop, "mean_shift")
    allowed = "select allows_publication, allows_activation from checks.verdicts"
    newest = f"{allowed} where as_of_date = date '{NEXT_DAY}'"
    assert ask(shop.warehouse, newest) == [(True, False)]

    shop.deliver(NEXT_DAY)
    assert_invariants(shop, [wrong], heals_to=(NEXT_DAY, next_night.served))


def test_consent_that_turns_over_adds_nobody_and_removes_everybody(
    shop: Shop, base: Undisturbed
) -> None:
    """X50: a flag is read the wrong way round, then everybody objects."""
    before = shop.lists()
    shop.deliver(NEXT_DAY)
    shop.tell_people(("GRANT", "GRANT", "GRANT", "GRANT", "DENY"))
    done = shop.night(NEXT_DAY)
    assert done.returncode == 0, done.stderr
    wrong = shop.served(NEXT_DAY)
    assert wrong.generation != base.served.generation
    assert_invariants(shop, [wrong])
    planned = shop.lifestage("plan").stdout
    stopped = {line.split()[0] for line in planned.splitlines() if "stopped" in line}
    assert {"cross_sell", "reactivation"} <= stopped
    after = shop.lists()
    assert all(after[name] <= before[name] for name in stopped & set(after))
    assert set(after) == set(before)

    shop.tell_people(("DENY",))
    done = shop.night(NEXT_DAY)
    assert done.returncode == 0, done.stderr
    assert_invariants(shop, [shop.served(NEXT_DAY)])
    assert set(map(len, shop.lists().values())) == {0}


def test_the_first_days_of_a_shop_are_published(tmp_path: Path) -> None:
    """X72, X71: one customer, then a day without orders."""
    first = date(2025, 3, 3)
    shop = make_shop(tmp_path / "young", history_start=first)
    shop.deliver(first, [order(first, 1)])
    undisturbed(shop, first)
    assert "insufficient_data" in result(shop)

    shop.deliver(first + timedelta(days=1), [])
    undisturbed(shop, first + timedelta(days=1))


# A bad night, from the wrong feed to the message that all is well


def test_a_bad_night_from_the_wrong_feed_to_the_release(
    shop: Shop, base: Undisturbed, next_night: Undisturbed, receiver: Receiver
) -> None:
    """X64: half of a day's orders came. docs/bad_night.md shows the same night."""
    watch = Watch(shop, receiver)
    watch.look()
    receiver.taken()

    shop.deliver(NEXT_DAY, orders_of(NEXT_DAY)[::2])
    done = shop.night(NEXT_DAY)
    assert_invariants(shop, [base.served], done, ("volume_weekday", "orders"))
    now = shop.status
    assert (now.as_of_date, now.is_held, now.held_as_of) == (BASE_DAY, True, NEXT_DAY)
    assert (now.held_by, now.days_behind) == ("volume_weekday", 1)
    page = (shop.settings.published_dir / "report.html").read_text()
    assert now.held_reason is not None
    assert "volume_weekday" in page
    watch.look()
    told = receiver.taken()
    assert len(told) == 1
    assert "ERROR: " in told[0]["message"]
    assert "run of nightly_refresh" in told[0]["message"]
    watch.look()
    assert receiver.taken() == []

    shop.deliver(NEXT_DAY)
    assert_invariants(shop, [base.served], heals_to=(NEXT_DAY, next_night.served))
    assert shop.status == next_night.shop.status
    assert page != (shop.settings.published_dir / "report.html").read_text()
    watch.look()
    told = receiver.taken()
    assert len(told) == 1
    assert "OK again: run of nightly_refresh" in told[0]["message"]
    assert MARKER not in json.dumps(told)
    assert places_with("topsecret", shop) == []


class Watch:
    """The sensor of an installation, which remembers its cursor from look to look."""

    def __init__(self, shop: Shop, receiver: Receiver) -> None:
        self._history = str(shop.root / "dagster")
        self._sensor = alert_sensor(replace(shop.settings, alert_urls=(receiver.url,)))
        self._cursor: str | None = None

    def look(self) -> None:
        """Look once, as Dagster does twice a minute."""
        with dg.DagsterInstance.from_config(self._history) as instance:
            context = dg.build_sensor_context(instance=instance, cursor=self._cursor)
            self._cursor = self._sensor.evaluate_tick(context).cursor


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A web server that is told."""
    server = Receiver()
    yield server
    server.close()


def order(day: date, number: int) -> tuple[str, ...]:
    """One order of a customer of one's own, late on a day."""
    at = f"{day}T23:00:00Z"
    return (f"{day}-{number}", f"{MARKER}-{number}", at, "10.00", "completed", "web")


def content_of(shop: Shop) -> dict[str, str]:
    """Return the hash of every published table that is content, not record."""
    published = published_generation(shop.settings.published_dir)
    assert published is not None
    return {one.name: one.content_hash for one in published.tables if one.kind == "content"}


def result(shop: Shop, *checks: str) -> set[str]:
    """Return what checks (all if none is named) found on the published day, over all subjects."""
    found = ask(
        shop.published,
        "select check_name, status from published.check_results"
        " where as_of_date = (select as_of_date from published.publication_status)",
    )
    return {status for name, status in found if not checks or name in checks}
