"""A generated shop for the fault tests, and the invariants that hold after every fault.

The shop is a project folder of its own with one CSV file per day. It is drawn with a fixed seed,
and it knows its own totals, so that what the pipeline publishes is held against numbers that the
pipeline had no part in. What is done to it, and what must follow, is in `tests/test_faults.py`.
"""

from __future__ import annotations

import bisect
import csv
import itertools
import json
import random
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import yaml

from orchestration.generations import damaged_files, file_hash, published_generation, served
from orchestration.publication_status import PublicationStatus, read_status
from tests.conftest import Installation, make_installation

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Sequence

# Stands in every customer id and nowhere else: where it turns up, a person's data has leaked.
MARKER = "zqx7person"
FIRST_DAY = date(2024, 9, 2)
BASE_DAY = date(2025, 5, 5)
ORDERS_A_DAY = 330
WEEKDAYS = (0.95, 0.92, 0.96, 1.0, 1.07, 1.18, 0.92)
COLUMNS = ("order_id", "customer_id", "ordered_at", "amount", "status", "channel")
# Every so manieth customer is known by address; whether they agreed goes by turns.
KNOWN_EVERY = 20
WORDS = ("GRANT", "GRANT", "", "DENY", "REVOKED")
ORDERS_FEED = {"path": "in/*.csv"}
CONFIGURATION: dict[str, object] = {
    "business_timezone": "UTC",
    "currency": "EUR",
    "history_start": FIRST_DAY,
    "feeds": {"orders": ORDERS_FEED},
}

PEOPLE_FEEDS = {
    "customers": {"path": "people/customers.csv"},
    "consents": {"path": "people/consents.csv"},
}

BIN = Path(sys.executable).parent
READER = """
import sys, duckdb
reader = duckdb.connect(sys.argv[1], read_only=True)
for query in sys.stdin:
    print(reader.execute(query).fetchall()[0][0], flush=True)
"""

Row = tuple[str, ...]


@dataclass(frozen=True)
class Totals:
    """What must be published: rows received, counted orders, their money, and who placed them."""

    rows: int
    orders: int
    money: Decimal
    customers: int


@dataclass(frozen=True)
class Served:
    """A generation that readers may see, and the totals of the orders it was made from."""

    generation: str
    totals: Totals


class Shop(Installation):
    """A project folder whose feed is one file per day."""

    @property
    def environment(self) -> dict[str, str]:
        # What is in use is tried again twice; there is no need to wait long for the answer.
        return super().environment | {"LIFESTAGE_RETRY_SECONDS": "0.1"}

    @property
    def inbox(self) -> Path:
        """Where the shop delivers its files."""
        return self.root / "in"

    def deliver(self, day: date, rows: Iterable[Row] | None = None, name: str = "") -> Path:
        """Put the file of a day into the inbox; without rows those that the shop had."""
        path = self.inbox / f"{name or day.isoformat()}.csv"
        path.parent.mkdir(exist_ok=True)
        with path.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(orders_of(day) if rows is None else rows)
        return path

    def tell_people(self, words: Sequence[str] = WORDS) -> None:
        """Deliver who is known, and what each of them said of marketing by mail, taking turns."""
        folder = self.root / "people"
        folder.mkdir(exist_ok=True)
        known = [f"{MARKER}-{number:05}" for number in range(0, 14_000, KNOWN_EVERY)]
        lines = [f"{name},{name}@example.com" for name in known]
        (folder / "customers.csv").write_text("\n".join(["customer_id,email", *lines]) + "\n")
        said = [(name, words[place % len(words)]) for place, name in enumerate(known)]
        lines = [f"{name},marketing,email,{word},{FIRST_DAY}" for name, word in said if word]
        header = "customer_id,purpose,channel,status,given_at"
        (folder / "consents.csv").write_text("\n".join([header, *lines]) + "\n")

    def agreeing(self) -> set[str]:
        """Name those who may be written to, as the file says it now."""
        path = self.root / "people" / "consents.csv"
        rows = csv.DictReader(path.read_text().splitlines()) if path.exists() else []
        return {row["customer_id"] for row in rows if row["status"] == "GRANT"}

    def lists(self) -> dict[str, set[str]]:
        """Read the members of every list that a reader takes for complete."""
        found = {}
        for manifest in self.settings.home.glob("deliveries/*/*/*/manifest.json"):
            for name, told in json.loads(manifest.read_text())["files"].items():
                assert file_hash(manifest.parent / name) == told["sha256"]
            with (manifest.parent / "members.csv").open(newline="") as file:
                members = [row["member_key"] for row in csv.DictReader(file)]
            assert len(members) == len(set(members))
            found[manifest.parents[1].name] = set(members)
        return found

    @property
    def warehouse(self) -> Path:
        """The private database."""
        return self.settings.warehouse_path

    @property
    def published(self) -> Path:
        """The database of readers."""
        return self.settings.published_dir / "lifestage.duckdb"

    @property
    def status(self) -> PublicationStatus:
        """What readers are told about what they read."""
        return read_status(self.published)

    def night(self, day: date, *more: str) -> subprocess.CompletedProcess[str]:
        """Refresh as of a day."""
        return self.lifestage("refresh", "--as-of", day.isoformat(), *more)

    def start(self, day: date) -> subprocess.Popen[str]:
        """Start a refresh and do not wait for it; it and what it starts are one process group."""
        return subprocess.Popen(
            [BIN / "lifestage", "refresh", "--as-of", day.isoformat()],
            env=self.environment,
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def totals(self, day: date) -> Totals:
        """Add up the files by hand: each file and order once, completed ones only, up to a day."""
        files = {path.read_text() for path in self.inbox.glob("*.csv")}
        rows = [row for file in files for row in csv.DictReader(file.splitlines())]
        orders = {row["order_id"]: row for row in rows if row["ordered_at"] < f"{day}T24"}
        counted = [row for row in orders.values() if row["status"] == "completed"]
        return Totals(
            len(rows),
            len(counted),
            sum((Decimal(row["amount"]) for row in counted), Decimal(0)),
            len({row["customer_id"] for row in counted}),
        )

    def served(self, day: date) -> Served:
        """Return what readers see now, with the totals of the files as they are now."""
        published = published_generation(self.settings.published_dir)
        assert published is not None
        return Served(published.generation, self.totals(day))


def make_shop(
    root: Path, days: Iterable[date] = (), *, has_people: bool = False, **changes: object
) -> Shop:
    """Lay out a shop that has delivered the files of some days, and maybe those of its people."""
    make_installation(root)
    shop = Shop(root)
    settings = CONFIGURATION | changes
    if has_people:
        settings["feeds"] = {"orders": ORDERS_FEED} | PEOPLE_FEEDS
        shop.tell_people()
    (root / "lifestage.yml").write_text(yaml.safe_dump(settings))
    for day in days:
        shop.deliver(day)
    return shop


def days_until(last: date, first: date = FIRST_DAY) -> list[date]:
    """List all days from one to another, both included."""
    return [first + timedelta(days=days) for days in range((last - first).days + 1)]


@cache
def _people() -> list[tuple[float, float, float, float]]:
    """Draw the customers: the days they come and go, how often they buy, and for how much."""
    chance = random.Random("people")
    people = []
    for number in range(14_000):
        joined = 0.0 if number < 6_000 else (number - 6_000) / 30
        left = joined + chance.expovariate(1 / 200)
        people.append(
            (joined, left, chance.gammavariate(0.9, 1.0), chance.lognormvariate(3.6, 0.5))
        )
    return people


@cache
def orders_of(day: date) -> tuple[Row, ...]:
    """Draw the orders of a day; the same day always has the same ones."""
    chance = random.Random(f"orders of {day}")
    age = (day - FIRST_DAY).days
    here = [number for number, (joined, left, *_) in enumerate(_people()) if joined <= age < left]
    chances = list(itertools.accumulate(_people()[number][2] for number in here))
    count = round(ORDERS_A_DAY * WEEKDAYS[day.weekday()] * chance.lognormvariate(0, 0.03))
    rows = []
    for number in range(count):
        buyer = here[bisect.bisect(chances, chance.random() * chances[-1])]
        seconds = 7 * 3600 + int(chance.random() * 16.5 * 3600)
        at = datetime.combine(day, time()) + timedelta(seconds=seconds)
        amount = Decimal(_people()[buyer][3] * chance.lognormvariate(0, 0.3)).quantize(
            Decimal("0.01")
        )
        status = "cancelled" if chance.random() < 0.02 else "completed"
        channel = chance.choices(("web", "app", "store"), (60, 30, 10))[0]
        order = f"{day:%y%m%d}-{number:04}"
        customer = f"{MARKER}-{buyer:05}"
        rows.append((order, customer, f"{at.isoformat()}Z", str(amount), status, channel))
    return tuple(rows)


def assert_invariants(
    shop: Shop,
    good: Collection[Served],
    said: subprocess.CompletedProcess[str] | None = None,
    names: Collection[str] = (),
    heals_to: tuple[date, Served] | None = None,
) -> None:
    """Hold what must be true after every fault.

    I1: what is published opens, and all its tables, Parquet files and records are of one
    generation. I2: that is the last good one or the new one, byte for byte. I3: its rows, orders,
    money and customers are those of the files it was made from, and every received row is
    accounted for. I4: nobody who did not agree is in any list that left. I5: the next normal run
    comes to the generation of an installation that nothing happened to. I6: a refused run ends with
    one line, which names what is wrong. I7: no customer's id stands in any log, artifact, message
    or page.

    Args:
        shop: The installation that the fault has hit.
        good: What readers may see now.
        said: The refused run; None where the run was killed or went well.
        names: What its one line must contain.
        heals_to: The day of the next normal run and what it must come to; the run is made.
    """
    _assert_one_generation(shop, good)
    for audience, members in shop.lists().items():
        assert members <= shop.agreeing(), audience
    if said is not None:
        lines = [line for line in said.stderr.splitlines() if not line.endswith("...")]
        assert said.returncode == 1, said.stdout
        assert len(lines) == 1, said.stderr
        for name in names:
            assert name in lines[0]
        assert MARKER not in said.stdout + said.stderr
    assert places_with(MARKER, shop) == []
    if heals_to is not None:
        day, served = heals_to
        healed = shop.night(day)
        assert healed.returncode == 0, healed.stderr
        assert_invariants(shop, [served])


def _assert_one_generation(shop: Shop, good: Collection[Served]) -> None:
    folder = shop.settings.published_dir
    published, place = published_generation(folder), served(folder)
    assert published is not None
    assert place is not None
    assert published.generation in {one.generation for one in good}
    assert place.manifest()["generation"] == shop.status.generation == published.generation
    assert damaged_files(place) == []
    expected = next(one.totals for one in good if one.generation == published.generation)
    with duckdb.connect(folder / "lifestage.duckdb", read_only=True) as reader:
        generations = reader.execute("select distinct generation from published.manifest")
        assert generations.fetchall() == [(published.generation,)]
        for table in published.tables:
            file = folder / "parquet" / f"{table.name}.parquet"
            assert file_hash(file) == table.content_hash
            both = f"published.{table.name}", f"read_parquet('{file}')"
            counts = [reader.execute(f"select count(*) from {one}").fetchall() for one in both]
            assert counts == [[(table.rows,)]] * 2, table.name
            differing = reader.execute(f"from {both[0]} except all from {both[1]}").fetchall()
            assert differing == [], table.name
        found = reader.execute(
            "select (select sum(received_rows) from published.order_intake),"
            " sum(orders), sum(monetary), count(*) filter (where orders > 0)"
            " from published.customers"
        ).fetchall()
        assert Totals(*found[0]) == expected
        lost = reader.execute(
            "select source, file from published.order_intake where received_rows <>"
            " accepted_rows + duplicate_rows + excluded_rows + rejected_rows + held_rows"
        ).fetchall()
        assert lost == []


def places_with(text: str, shop: Shop) -> list[str]:
    """Name the files of logs, artifacts, run history and pages in which a text stands."""
    home, published = shop.settings.home, shop.settings.published_dir
    tables = {shop.warehouse, shop.warehouse.with_suffix(".duckdb.wal")}
    tables |= set(home.glob("deliveries/**/*.csv"))  # for these, see `Shop.lists`
    tables |= {path for kind in ("duckdb", "parquet") for path in published.rglob(f"*.{kind}")}
    files = [path for root in (home, shop.root / "dagster") for path in root.rglob("*")]
    return [
        path.relative_to(shop.root).as_posix()
        for path in files
        if path.is_file() and path not in tables and text.encode() in path.read_bytes()
    ]


def ask(path: Path, query: str) -> list[Any]:
    """Ask a database and let go of it."""
    with duckdb.connect(path, read_only=True) as reader:
        return reader.execute(query).fetchall()


@contextmanager
def reader_session(path: Path) -> Generator[tuple[int, Callable[[str], str]]]:
    """Keep a database open in another process, as a BI tool does.

    Gives the number of the process, and what asks it a query for one value.
    """
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as reader:
        to, back = reader.stdin, reader.stdout
        assert to is not None
        assert back is not None

        def asked(query: str) -> str:
            print(query, file=to, flush=True)
            return back.readline().strip()

        assert asked("select 1") == "1"
        try:
            yield reader.pid, asked
        finally:
            reader.kill()
