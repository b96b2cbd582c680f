"""Erasure: one refresh after a person asked, nothing of them is left, and they stay out."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from orchestration.activation.ledger import make_tables as make_ledger
from orchestration.erasure.people import MOST_ACCOUNTS, forget
from orchestration.erasure.published import redact_published
from orchestration.erasure.requests import BYTES, RequestError, ask, count_open, duties
from orchestration.erasure.traces import compact, compact_if_due, settle_ledger, sweep
from orchestration.generations import damaged_files, past_places, read_generation
from orchestration.holding import hold, rollback
from orchestration.publication import publish
from orchestration.publication_status import PublicationHeld, read_status
from orchestration.settings import Settings
from orchestration.verification import verify_promises
from orchestration.warehouse import WarehouseError, open_database, open_warehouse
from tests.conftest import Installation, make_installation
from tests.small_warehouse import CODE, judged_warehouse, small_contracts
from tests.small_warehouse import DAY as DAY_OF_TABLES
from tests.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from orchestration.config import Config

DAY = date(2025, 3, 31)
FIRST = date(2025, 1, 1)
CUSTOMERS = 60
NAMES = ("orders", "customers", "refunds", "consents", "suppressions", "contacts", "responses")
CONFIGURATION = "business_timezone: UTC\ncurrency: EUR\nhistory_start: 2025-01-01\nfeeds:\n"
# Words that stand in nothing else, so that their bytes are proof.
ANN, BEN, CEM = "zqx7ann", "zqx7ben", "zqx7cem"


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def email(customer: str) -> str:
    return f"{customer}@mail.example"


def phone(customer: str) -> str:
    return f"+49 30 {int(sha(customer)[:12], 16)}"


def number(customer: str) -> str:
    return "+" + "".join(sign for sign in phone(customer) if sign.isdigit())


def marks(customer: str) -> list[str]:
    """All that a customer may be known by."""
    address, digits = email(customer), number(customer)
    hashes = [sha(value) for value in (customer, address, digits, phone(customer))]
    return [customer, address, phone(customer), digits, *hashes]


def write(path: Path, header: str, rows: Iterable[tuple[Any, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows(rows)


@dataclass
class Shop:
    """What a small shop delivers: everything about everybody, from whole files."""

    folder: Path
    people: list[str]
    shared: tuple[str, ...] = ()

    def deliver(self, last: date = DAY, requests: Iterable[tuple[str, str]] = ()) -> None:
        people = self.people
        orders, refunds = [], []
        for place, person in enumerate(people):
            for step in range(1 + place % 4):
                day = FIRST + timedelta(days=(11 * place + 17 * step) % 89)
                if day <= last:
                    order = f"o-{person}-{step}"
                    amount = f"{10 + (7 * place + step) % 90}.00"
                    orders.append((order, person, f"{day}T10:00:00Z", amount, "completed"))
                    if (place + step) % 9 == 0:
                        refunds.append((f"r-{order}", order, f"{day}T12:00:00Z", "1.00"))
        write(self.folder / "orders.csv", "order_id,customer_id,ordered_at,amount,status", orders)
        write(self.folder / "refunds.csv", "refund_id,order_id,refunded_at,amount", refunds)
        write(
            self.folder / "customers.csv",
            "customer_id,email,phone,country,first_name,last_name",
            [(one, email(one), phone(one), "DE", f"First {one}", "Last") for one in people],
        )
        write(
            self.folder / "consents.csv",
            "customer_id,purpose,channel,status,given_at",
            [(one, "marketing", "email", "GRANT", "2025-01-01") for one in people],
        )
        write(
            self.folder / "suppressions.csv",
            "type,value,purpose",
            [
                row
                for one in people[:2]
                for row in (
                    ("customer_id", one, "ads"),
                    ("email_sha256", sha(email(one)), "ads"),
                    ("phone_sha256", sha(number(one)), "ads"),
                )
            ],
        )
        write(
            self.folder / "contacts.csv",
            "customer_id,channel,contacted_at",
            [(one, "email", "2025-03-01") for one in people],
        )
        write(
            self.folder / "responses.csv",
            "customer_id,kind,responded_at,channel",
            [(one, "click", "2025-03-02", "email") for one in people],
        )
        write(
            self.folder / "erasures.csv",
            "type,value,requested_at",
            [(kind, value, "2025-03-15") for kind, value in requests],
        )


def feeds(*names: str) -> str:
    return CONFIGURATION + "".join(f"  {name}: {{path: in/{name}.csv}}\n" for name in names)


def everybody() -> list[str]:
    return [ANN, BEN, CEM, *(f"c{number:03}" for number in range(CUSTOMERS - 3))]


def places_with(texts: Iterable[str], *roots: Path) -> list[tuple[str, str]]:
    """Name the files below folders in whose bytes or values a text stands."""
    wanted = [text.encode() for text in texts]
    found = []
    for path in (path for root in roots for path in sorted(root.rglob("*")) if path.is_file()):
        content = path.read_bytes()
        found += [(path.name, mark.decode()) for mark in wanted if mark in content]
        found += [(f"{path.name} {name}", mark) for name, mark in values_with(path, list(texts))]
    return found


def values_with(path: Path, texts: list[str]) -> list[tuple[str, str]]:
    """Name the tables of a database or Parquet file in which a text stands: blocks are packed."""
    if path.suffix not in {".duckdb", ".parquet"}:
        return []
    with duckdb.connect() as connection:
        if path.suffix == ".duckdb":
            # Under its own name, by which views may read.
            connection.execute(f"attach '{path}' as {path.stem} (read_only)")
            relations = [
                f"{path.stem}.{schema}.{name}"
                for schema, name in connection.execute(
                    "select table_schema, table_name from information_schema.tables"
                    " where table_catalog = ?",
                    [path.stem],
                ).fetchall()
            ]
            connection.execute(f"use {path.stem}")
        else:
            relations = [f"read_parquet('{path}')"]
        return [
            (relation, text)
            for relation in relations
            for text in texts
            if connection.execute(
                f"select count(*) from {relation} as r where contains(cast(r as varchar), ?)",
                [text],
            ).fetchall()[0][0]
        ]


# Whom a request means


@pytest.fixture
def file(tmp_path: Path) -> Warehouse:
    """A warehouse in a file, for what is about files."""
    return Warehouse(tmp_path)


def loaded(
    warehouse: Warehouse, people: list[str], requests: Iterable[tuple[str, str]] = ()
) -> Config:
    """Deliver and load everything about some people."""
    Shop(warehouse.root / "in", people).deliver(requests=requests)
    config = warehouse.configure(feeds(*NAMES, "erasures"))
    warehouse.load(config)
    return config


def left(warehouse: Warehouse) -> set[str]:
    rows = warehouse.rows("select distinct customer_id from raw.customers where email is not null")
    return {row["customer_id"] for row in rows}


def deliver_customers(warehouse: Warehouse, *rows: tuple[str, str, str]) -> Config:
    """Load customers given as id, address and number, each with one order."""
    write(warehouse.root / "in/customers.csv", "customer_id,email,phone", rows)
    orders = [(f"o-{row[0]}", row[0], "2025-01-01", "1") for row in rows]
    write(warehouse.root / "in/orders.csv", "order_id,customer_id,ordered_at,amount", orders)
    config = warehouse.configure(feeds("orders", "customers"))
    warehouse.load(config)
    return config


def asked(warehouse: Warehouse, kind: Any, value: str) -> bool:
    with open_warehouse(warehouse.settings, read_only=False) as session:
        return ask(session, kind, value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("customer_id", ANN),
        ("customer_id", f"  {ANN} "),
        ("email_sha256", sha(email(ANN))),
        ("EMAIL_SHA256", sha(email(ANN)).upper()),
        ("phone_sha256", sha(number(ANN))),
        ("phone_sha256", sha(phone(ANN))),
    ],
)
def test_a_request_reaches_every_row_of_a_person(
    warehouse: Warehouse, kind: str, value: str
) -> None:
    loaded(warehouse, [ANN, BEN], [(kind, value)])

    assert left(warehouse) == {BEN}
    assert warehouse.naming(marks(ANN)) == []
    assert warehouse.naming([BEN]) != []


def test_rows_of_erased_people_are_counted_and_hold_no_values(warehouse: Warehouse) -> None:
    loaded(warehouse, [ANN, BEN])
    before = warehouse.rows("select feed, row_count from raw._loads order by feed")
    received = {
        name: warehouse.rows(f"select count(*) as n from raw.{name}")[0]["n"] for name in NAMES
    }
    asked(warehouse, "customer_id", ANN)
    warehouse.load(warehouse.configure(feeds(*NAMES, "erasures")))

    assert warehouse.rows("select feed, row_count from raw._loads order by feed") == before
    for name, rows in received.items():
        found = warehouse.rows(
            f"select count(*) as n, count(*) filter (where _excluded_by = 'ERASED') as erased,"
            f" count(*) filter (where _excluded_by = 'ERASED' and _line is not null) as lines"
            f" from raw.{name}"
        )[0]
        assert (found["n"], found["lines"]) == (rows, 0)
        assert found["erased"] > 0


def test_doing_it_twice_changes_nothing(warehouse: Warehouse) -> None:
    config = loaded(warehouse, [ANN, BEN], [("customer_id", ANN)])
    tables = [*(f"raw.{name}" for name in (*NAMES, "erasures")), "erasure.erasure_requests"]

    def content() -> list[Any]:
        return [warehouse.rows(f"select * from {table} order by all") for table in tables]

    before = content()
    assert warehouse.load(config).forgotten.rows == 0
    assert not asked(warehouse, "customer_id", ANN)
    warehouse.load(config)
    assert content() == before


def test_what_a_request_says_stays_in_no_table(warehouse: Warehouse) -> None:
    plain = "zqx7dee@mail.example"
    told = [("customer_id", ANN), ("email_sha256", plain), ("who", ANN), (ANN, "customer_id")]
    loaded(warehouse, [BEN], told)

    assert warehouse.naming([ANN, sha(ANN), plain, "dee"]) == []
    kept = warehouse.rows("select type, length(value) as n from raw.erasures order by _line")
    assert [tuple(row.values()) for row in kept] == [
        ("customer_id", 64),
        ("email_sha256", len(plain)),
        ("xxx", len(ANN)),
        ("x" * len(ANN), len("customer_id")),
    ]


def test_who_is_delivered_again_stays_out_and_is_counted(warehouse: Warehouse) -> None:
    """P11, X69."""
    loaded(warehouse, [ANN, BEN], [("customer_id", ANN)])
    warehouse.execute("update erasure.erasure_requests set status = 'erased'")

    loaded(warehouse, [BEN, CEM], [("customer_id", ANN)])
    assert left(warehouse) == {BEN, CEM}

    Shop(warehouse.root / "in", [CEM, ANN]).deliver()
    report = warehouse.load(warehouse.configure(feeds(*NAMES, "erasures")))
    assert left(warehouse) == {CEM}
    assert report.forgotten.again > 0
    assert report.forgotten.rows >= report.forgotten.again


def test_a_new_account_with_the_same_address_stays_out(warehouse: Warehouse) -> None:
    """X69; also when the old account does not come any more."""
    deliver_customers(warehouse, (ANN, "Ann@Mail.example ", "1"), (BEN, "ben@mail.example", "2"))
    asked(warehouse, "customer_id", ANN)
    deliver_customers(warehouse, (ANN, "Ann@Mail.example ", "1"), (BEN, "ben@mail.example", "2"))
    deliver_customers(warehouse, (BEN, "ben@mail.example", "2"))
    deliver_customers(warehouse, (CEM, " ann@mail.EXAMPLE", "3"), (BEN, "ben@mail.example", "2"))
    assert left(warehouse) == {BEN}
    # And by the new account alone, without its address.
    deliver_customers(warehouse, (CEM, "", "3"), (BEN, "ben@mail.example", "2"))
    assert left(warehouse) == {BEN}


def test_addresses_have_letters_and_ids_have_blanks_of_all_kinds(warehouse: Warehouse) -> None:
    rows = (
        (ANN, "MÜLLER@mail.example", "1"),
        (BEN, "ben@mail.example", "2"),
        (f"{CEM}\u00a0", "cem@mail.example", "3"),
    )
    deliver_customers(warehouse, *rows)
    asked(warehouse, "email_sha256", sha("müller@mail.example"))
    asked(warehouse, "customer_id", CEM)
    deliver_customers(warehouse, *rows)
    assert left(warehouse) == {BEN}


def test_a_shared_number_names_nobody_unless_it_is_asked_for(warehouse: Warehouse) -> None:
    rows = ((ANN, "ann@mail.example", "+49 1"), (BEN, "ben@mail.example", "+49 1"))
    deliver_customers(warehouse, *rows)
    asked(warehouse, "customer_id", ANN)
    deliver_customers(warehouse, *rows)
    assert left(warehouse) == {BEN}
    asked(warehouse, "phone_sha256", sha("+491"))
    deliver_customers(warehouse, *rows)
    assert left(warehouse) == set()


def test_an_objection_of_the_household_outlives_the_erasure(warehouse: Warehouse) -> None:
    shop = Shop(warehouse.root / "in", [ANN, BEN])
    shop.deliver(requests=[("customer_id", ANN)])
    write(
        warehouse.root / "in/customers.csv",
        "customer_id,email,phone",
        [(ANN, email(ANN), number(ANN)), (BEN, email(BEN), number(ANN))],
    )
    warehouse.load(warehouse.configure(feeds(*NAMES, "erasures")))
    kept = warehouse.rows("select value from raw.suppressions where value is not null order by 1")
    theirs = [BEN, sha(email(BEN)), sha(number(BEN)), sha(number(ANN))]
    assert [row["value"] for row in kept] == sorted(theirs)


def test_an_address_of_very_many_accounts_is_nobodys(warehouse: Warehouse) -> None:
    till = [(f"guest{n}", "till@shop.example", "") for n in range(MOST_ACCOUNTS + 1)]
    config = deliver_customers(warehouse, *till)
    asked(warehouse, "customer_id", "guest0")
    warehouse.load(config)
    assert len(left(warehouse)) == MOST_ACCOUNTS
    asked(warehouse, "email_sha256", sha("till@shop.example"))
    warehouse.load(config)
    assert left(warehouse) == set()


def test_rows_that_cannot_be_read_go_too(warehouse: Warehouse) -> None:
    config = loaded(warehouse, [ANN, BEN], [("customer_id", ANN)])
    with (warehouse.root / "in/customers.csv").open("a") as file:
        file.write(f"shifted,{ANN},x\n{email(ANN)},left\n{BEN},short\n")
    warehouse.load(config)
    assert warehouse.naming([ANN, "shifted", "left"]) == []
    kept = warehouse.rows("select _problem from raw.customers where customer_id is not null")
    assert sorted(str(row["_problem"]) for row in kept) == ["MISSING_FIELDS", "None"]


def test_merged_accounts_are_one_person(warehouse: Warehouse) -> None:
    people = [ANN, BEN, CEM]
    Shop(warehouse.root / "in", people).deliver(requests=[("customer_id", BEN)])
    write(
        warehouse.root / "in/customer_merges.csv",
        "customer_id,merged_into",
        [(ANN, "x"), ("x", BEN)],
    )
    warehouse.load(warehouse.configure(feeds(*NAMES, "customer_merges", "erasures")))
    assert left(warehouse) == {CEM}
    assert warehouse.naming([ANN, BEN]) == []


def test_refunds_that_come_after_their_order_is_gone_stay_out(warehouse: Warehouse) -> None:
    loaded(warehouse, [ANN, BEN], [("customer_id", ANN)])
    order = f"o-{ANN}-0"
    write(
        warehouse.root / "in/refunds.csv",
        "refund_id,order_id,refunded_at,amount",
        [("r1", order, "2025-02-01", "1.00"), ("r2", f"o-{BEN}-0", "2025-02-01", "1.00")],
    )
    write(
        warehouse.root / "in/orders.csv",
        "order_id,customer_id,ordered_at,amount,status",
        [(f"o-{BEN}-0", BEN, "2025-01-12", "17.00", "completed")],
    )
    warehouse.load(warehouse.configure(feeds(*NAMES, "erasures")))
    kept = warehouse.rows("select refund_id from raw.refunds where refund_id is not null")
    assert kept == [{"refund_id": "r2"}]


@pytest.mark.parametrize(
    ("kind", "value"),
    [("customer_id", "  "), ("email_sha256", "jane@mail.example"), ("phone_sha256", "0" * 63)],
)
def test_a_request_that_names_nobody_is_refused(
    warehouse: Warehouse, kind: Any, value: str
) -> None:
    with pytest.raises(RequestError) as refused:
        asked(warehouse, kind, value)
    assert "jane" not in str(refused.value)


# Bytes


def test_compacting_leaves_the_tables_and_no_bytes(file: Warehouse) -> None:
    people = [ANN, *(f"c{number}" for number in range(3000))]
    loaded(file, people)
    file.execute(
        "create schema other",
        "create view other.names as select customer_id from warehouse.raw.customers",
        "comment on column raw.customers.email is 'An address.'",
        "checkpoint",
    )
    path = file.settings.warehouse_path
    assert places_with([ANN], file.settings.home) != []
    loaded(file, people, [("customer_id", ANN)])
    rows = file.rows("select * from raw.customers order by all")
    with open_database(path, read_only=False) as session:
        assert duties(session) == {BYTES}
    compact(path, "1GB", 1)

    assert places_with(marks(ANN), file.settings.home) == []
    assert file.rows("select * from raw.customers order by all") == rows
    assert file.rows("select count(*) as n from other.names where customer_id is not null") == [
        {"n": 3000}
    ]
    comment = "select comment from duckdb_columns() where comment is not null and table_name = ?"
    assert file.rows(comment.replace("?", "'customers'")) == [{"comment": "An address."}]
    assert list(file.settings.home.glob("*.next")) == []


def test_a_folder_may_have_a_quote_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "o'hara").mkdir()
    warehouse = Warehouse(tmp_path / "o'hara")
    loaded(warehouse, [ANN])
    compact(warehouse.settings.warehouse_path, "1GB", 1)
    assert warehouse.rows("select customer_id from raw.customers") == [{"customer_id": ANN}]


def test_the_same_digests_are_of_no_use_elsewhere(tmp_path: Path) -> None:
    told = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        warehouse = Warehouse(tmp_path / name)
        asked(warehouse, "customer_id", ANN)
        told += warehouse.rows("select digest from erasure.erasure_requests")
    assert told[0] != told[1]
    assert sha(ANN) not in repr(told)


# What readers and destinations have


@pytest.fixture
def published(tmp_path: Path) -> Settings:
    """An installation that has published two generations of forty customers."""
    settings = Settings(tmp_path, tmp_path / "lifestage.yml", tmp_path / "home")
    settings.home.mkdir()
    for customers in (41, 40):
        judged_warehouse(settings.home, customers)
        publish_again(settings)
    return settings


def write_report(_: Path, path: Path) -> None:
    path.write_text("<p>sums</p>")


def publish_again(settings: Settings) -> None:
    publish(
        settings.warehouse_path,
        settings.published_dir,
        DAY_OF_TABLES,
        code_hash=CODE,
        contracts=small_contracts(),
        max_removed_share=0.05,
        report=write_report,
    )


def request(settings: Settings, *customers: str) -> None:
    with open_database(settings.warehouse_path, read_only=False) as session:
        for customer in customers:
            ask(session, "customer_id", customer)


def customers_of(settings: Settings) -> set[str]:
    with duckdb.connect(settings.published_dir / "lifestage.duckdb", read_only=True) as reader:
        return {row[0] for row in reader.execute("from published.customers").fetchall()}


def test_an_erasure_is_not_held_and_leaves_nothing_to_go_back_to(published: Settings) -> None:
    judged_warehouse(published.home, 30)
    request(published, *(f"C{number}" for number in range(30, 40)))
    publish_again(published)
    assert len(past_places(published.published_dir)) == 3
    assert sweep(published) == 10

    assert len(customers_of(published)) == 30
    assert [place.database for place in past_places(published.published_dir)] == [
        (published.published_dir / "lifestage.duckdb").resolve()
    ]
    with pytest.raises(WarehouseError, match="no such older generation"):
        rollback(published.published_dir)
    assert sweep(published) == 0


def test_lists_that_cannot_be_removed_keep_the_requests_open(published: Settings) -> None:
    in_the_way = published.home / "deliveries"
    in_the_way.write_text(ANN)
    request(published, "C7")
    for step in (sweep, redact_published):
        with pytest.raises(WarehouseError, match="deliveries may name erased people") as failed:
            step(published)
        assert "\n" not in str(failed.value)
    with open_database(published.warehouse_path, read_only=True) as session:
        assert count_open(session) == 1
    in_the_way.unlink()
    assert sweep(published) == 1


def test_others_who_vanish_with_the_erased_are_still_held(published: Settings) -> None:
    judged_warehouse(published.home, 30)
    request(published, *(f"C{number}" for number in range(35, 40)))
    with pytest.raises(PublicationHeld, match="5 of 40 published customers"):
        publish_again(published)


def test_a_held_night_still_takes_the_erased_out_of_what_is_served(published: Settings) -> None:
    hold(published.published_dir, DAY_OF_TABLES + timedelta(days=1), "orders stopped.")
    before = read_status(published.published_dir / "lifestage.duckdb")
    request(published, "C7", "C8")
    assert redact_published(published) == 10

    assert customers_of(published) == {f"C{n}" for n in range(40)} - {"C7", "C8"}
    after = read_status(published.published_dir / "lifestage.duckdb")
    assert replace(after, generation=before.generation) == before
    assert after.generation != before.generation
    (place,) = past_places(published.published_dir)
    assert damaged_files(place) == []
    assert places_with(["'C7'"], published.published_dir) == []
    for path in place.path.rglob("*.parquet"):
        assert not values_with(path, ["'customer_id': C7,", "'customer_id': C8,"])
    assert redact_published(published) == 0
    verify_promises(
        place.database,
        [table.name for table in read_generation(place.database).tables],
        small_contracts(),
    )


def test_the_ledger_keeps_a_key_until_its_removal_is_acknowledged(published: Settings) -> None:
    delivery = published.home / "deliveries" / "mail" / "winback" / "2026-06-29"
    delivery.mkdir(parents=True)
    (delivery / "members.csv").write_text(ANN)
    with open_database(published.warehouse_path, read_only=False) as session:
        make_ledger(session)
        session.run(
            "insert into delivery.members by name select 'winback' as audience, 'mail' as"
            " destination, unnest([?, 'C1']) as customer_id, unnest([?, 'C1']) as member_key",
            [ANN, ANN],
        )
        session.run(
            "insert into delivery.let_go select audience, destination, member_key, customer_id,"
            " 'remove' from delivery.members"
        )
    request(published, ANN)
    sweep(published)
    assert not delivery.exists()
    compact_if_due(published)
    assert not settle_ledger(published)
    assert places_with([ANN], published.home) != []

    with open_database(published.warehouse_path, read_only=False) as session:
        session.run("delete from delivery.members where member_key = ?", [ANN])
    assert settle_ledger(published)
    assert places_with([ANN], published.home) == []
    with open_database(published.warehouse_path, read_only=False) as session:
        for table in ("members", "let_go"):
            assert session.fetch(f"select customer_id from delivery.{table}") == [("C1",)]
        assert duties(session) == set()


# One refresh


@pytest.fixture(scope="module")
def night_before(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A small shop that has published everybody."""
    shop = make_installation(tmp_path_factory.mktemp("erasure") / "shop")
    Shop(shop.root / "in", everybody()).deliver()
    (shop.root / "lifestage.yml").write_text(feeds(*NAMES, "erasures"))
    refreshed(shop)
    assert all(places_with([one], shop.settings.home) for one in (ANN, BEN, CEM))
    return shop


@pytest.fixture(scope="module")
def night_after(night_before: Installation) -> Installation:
    """The same shop one refresh after three people asked, each in another way."""
    shop = night_before
    said = shop.lifestage("erase", "--customer", ANN)
    assert said.returncode == 0, said.stderr
    assert ANN not in said.stdout + said.stderr
    requests = [("email_sha256", sha(email(BEN))), ("phone_sha256", sha(number(CEM)))]
    Shop(shop.root / "in", everybody()).deliver(requests=requests)
    refreshed(shop)
    return shop


def refreshed(shop: Installation, *more: str) -> str:
    done = shop.lifestage("refresh", "--as-of", DAY.isoformat(), *more)
    assert done.returncode == 0, done.stderr
    return read_status(shop.settings.published_dir / "lifestage.duckdb").generation


def test_one_refresh_leaves_nothing_of_the_person(night_after: Installation) -> None:
    """X68."""
    folders = night_after.settings.home, night_after.root / "dagster"
    for person in (ANN, BEN, CEM):
        found = places_with(marks(person), *folders)
        # The list that tells a destination who must leave has to name them, once.
        assert {place for place, _ in found} <= {"removals.csv"}
        assert {mark for _, mark in found} <= {person}
    assert not list(night_after.settings.home.glob("*.wal"))
    assert len(past_places(night_after.settings.published_dir)) == 1
    said = night_after.lifestage("rollback")
    assert said.returncode == 1
    assert "no such older generation" in said.stderr

    done = night_after.lifestage("deliver")
    assert done.returncode == 0, done.stderr
    for person in (ANN, BEN, CEM):
        assert places_with(marks(person), *folders) == []


def test_every_row_that_came_in_is_accounted_for(night_after: Installation) -> None:
    with duckdb.connect(
        night_after.settings.published_dir / "lifestage.duckdb", read_only=True
    ) as reader:
        counts = reader.execute(
            "select received_rows, accepted_rows, duplicate_rows, excluded_rows, rejected_rows,"
            " held_rows from published.order_intake"
        ).fetchall()
        customers = reader.execute("select count(*) from published.customers").fetchall()
    orders = (night_after.root / "in/orders.csv").read_text().splitlines()[1:]
    theirs = sum(any(one in row for one in (ANN, BEN, CEM)) for row in orders)
    assert counts == [(len(orders), len(orders) - theirs, 0, theirs, 0, 0)]
    assert customers == [(CUSTOMERS - 3,)]
    assert "erased" in night_after.lifestage("status").stdout


def test_a_full_build_on_what_comes_again_leaves_the_same_tables(
    night_after: Installation,
) -> None:
    """The people are delivered again, nobody asks any more, and everything is computed anew."""
    served = read_status(night_after.settings.published_dir / "lifestage.duckdb").generation
    Shop(night_after.root / "in", everybody()).deliver()
    assert refreshed(night_after, "--full") == served
    for person in (ANN, BEN, CEM):
        assert places_with(marks(person), night_after.settings.home) == []


@pytest.mark.parametrize("arguments", [(), ("--customer", "a", "--phone-sha256", "0" * 64)])
def test_a_command_that_names_nobody_or_two_is_refused(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    shop = make_installation(tmp_path / "shop")
    said = shop.lifestage("erase", *arguments)
    assert (said.returncode, len(said.stderr.splitlines())) == (1, 1)


# Tables of the user's own


def test_own_tables_are_left_alone_and_read_without_the_erased(file: Warehouse) -> None:
    tables = ("orders", "customers", "customer_merges", "refunds", "suppressions", "erasures")
    config = file.configure(
        CONFIGURATION.replace("feeds", "tables") + "".join(f"  {name}:\n" for name in tables)
    )
    file.execute(
        "create schema raw",
        "create table raw.all_orders as select 'o' || c as order_id, c as customer_id,"
        " timestamp '2025-01-05' as ordered_at, 5::decimal(18, 4) as amount"
        " from unnest([11, 12, 13, 14]) as t(c)",
        "create view raw.orders as select * from raw.all_orders",
        "create table raw.customers as from (values (11, 'Ann@Mail.example'),"
        " (12, 'ben@x.example'), (13, 'ann@mail.example')) as t(customer_id, email)",
        "create table raw.customer_merges as from (values (12, 14)) as t(customer_id, merged_into)",
        "create table raw.refunds as from (values ('o11', timestamp '2025-01-06', 1.0),"
        " ('o12', timestamp '2025-01-06', 1.0)) as t(order_id, refunded_at, amount)",
        f"create table raw.suppressions as from (values ('customer_id', '12'), ('email_sha256',"
        f" '{sha('ann@mail.example')}')) as t(type, value)",
        "create view raw.erasures as from (values ('customer_id', '11', date '2025-01-01'))"
        " as t(type, value, requested_at)",
    )
    with open_database(file.settings.warehouse_path, read_only=False) as session:
        forgotten = forget(session, config)
    assert (forgotten.people, forgotten.rows) == (2, 0)
    bases = [f"base_shop__{name}" for name in tables]
    file.build(config, DAY, *bases, "stg_shop__erasures_checked", "stg_shop__erasures")

    def read(name: str, column: str) -> list[str]:
        rows = file.rows(f"select {column} as v from staging.base_shop__{name} order by 1")
        return [row["v"] for row in rows]

    assert read("orders", "order_id") == ["o12", "o14"]
    assert read("customers", "customer_id") == ["12"]
    assert read("customer_merges", "merged_into") == ["14"]
    assert read("refunds", "order_id") == ["o12"]
    assert read("suppressions", "value") == ["12"]
    kept = file.rows("select * from staging.stg_shop__erasures")
    assert kept == [{"kind": "customer_id", "requested_on": date(2025, 1, 1)}]
