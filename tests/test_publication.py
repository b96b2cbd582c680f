"""Publication: what readers see before, during and after, whatever happens to the writer."""

import hashlib
import multiprocessing
import os
import signal
from datetime import date
from pathlib import Path

import duckdb
import pytest

from orchestration import publication
from orchestration.publication import PublicationHeld, publish, published_generation
from orchestration.warehouse import WarehouseError, open_database

DAY = date(2026, 6, 30)
STEPS = (
    "staging_made",
    "parquet_staged",
    "database_staged",
    "verified",
    "link_made",
    "parquet_in_place",
    "database_in_place",
)


def make_warehouse(home: Path, customers: int = 50, as_of: date = DAY, shuffled: int = 0) -> Path:
    """Write a warehouse with small public tables; `shuffled` only changes the order of rows."""
    path = home / "warehouse.duckdb"
    path.unlink(missing_ok=True)
    with open_database(path, read_only=False) as session:
        session.run("create schema marts")
        session.run("create schema staging")
        session.run(
            "create table marts.customer_timeline as"
            " select 'C' || c as customer_id, date '2024-01-01' + cast(30 * i as integer)"
            " as valid_from, cast(c + i as decimal(18, 4)) as monetary, i = 3 as is_projected"
            f" from range({customers}) t(c), range(4) u(i)"
            f" order by hash(c * 7 + i + {shuffled})"
        )
        session.run("comment on column marts.customer_timeline.monetary is 'Money so far.'")
        session.run(
            "create view marts.customers as select customer_id,"
            f" date '{as_of}' as as_of_date, max(monetary) as monetary"
            " from warehouse.marts.customer_timeline group by customer_id"
        )
        session.run("create table staging.rejected_rows (source varchar, line bigint)")
        session.run("insert into staging.rejected_rows values ('orders', null), ('orders', 7)")
    return path


def bytes_of(target: Path) -> dict[str, str]:
    files = sorted((target / "parquet").glob("*.parquet"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_generation_is_complete_and_says_what_it_is(tmp_path: Path) -> None:
    made = publish(make_warehouse(tmp_path), tmp_path / "published", DAY)

    assert made.is_new
    assert made.as_of_date == DAY
    assert [(table.name, table.rows) for table in made.tables] == [
        ("customers", 50),
        ("customer_timeline", 200),
        ("rejected_rows", 2),
    ]
    published = published_generation(tmp_path / "published")
    assert published is not None
    assert published.generation == made.generation
    assert sorted(published.tables, key=str) == sorted(made.tables, key=str)
    with open_database(tmp_path / "published" / "lifestage.duckdb", read_only=True) as session:
        columns = session.columns("lifestage", "published", "customer_timeline")
        assert ("monetary", "DECIMAL(18,4)", "Money so far.") in columns
        rows = session.fetch("select customer_id, valid_from from published.customer_timeline")
        assert rows == sorted(rows)


def test_the_day_is_that_of_the_tables_when_an_old_day_is_run_again(tmp_path: Path) -> None:
    made = publish(make_warehouse(tmp_path), tmp_path / "published", date(2026, 1, 1))

    assert made.as_of_date == DAY


@pytest.mark.parametrize("threads", [1, 8])
def test_the_same_content_gives_the_same_bytes(tmp_path: Path, threads: int) -> None:
    for name, shuffled in (("one", 0), ("two", 99)):
        (tmp_path / name).mkdir()
        warehouse = make_warehouse(tmp_path / name, 40_000, shuffled=shuffled)
        publish(warehouse, tmp_path / name / "published", DAY, threads=threads if shuffled else 2)

    assert bytes_of(tmp_path / "one" / "published") == bytes_of(tmp_path / "two" / "published")


def test_the_same_generation_changes_nothing(tmp_path: Path) -> None:
    target = tmp_path / "published"
    first = publish(make_warehouse(tmp_path), target, DAY)
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*")}
    again = publish(make_warehouse(tmp_path, shuffled=5), target, DAY)

    assert not again.is_new
    assert again.generation == first.generation
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*")} == before


def test_old_clients_can_open_it_and_nobody_can_write_to_it(tmp_path: Path) -> None:
    publish(make_warehouse(tmp_path), tmp_path / "published", DAY)
    path = tmp_path / "published" / "lifestage.duckdb"

    # The storage version stands behind the magic bytes; 64 is what every 1.x release reads.
    assert path.read_bytes()[8:16] == b"DUCK" + (64).to_bytes(4, "little")
    assert path.stat().st_mode & 0o222 == 0


def die_at(step: str, home: Path) -> None:
    """Publish in this process and be killed at a step."""

    def reached(name: str) -> None:
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    publish(home / "warehouse.duckdb", home / "published", DAY, reached=reached)


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_run_leaves_a_whole_generation_and_the_next_run_heals(
    tmp_path: Path, step: str
) -> None:
    target = tmp_path / "published"
    old = publish(make_warehouse(tmp_path, customers=50), target, DAY)
    make_warehouse(tmp_path, customers=60)

    victim = multiprocessing.get_context("spawn").Process(target=die_at, args=(step, tmp_path))
    victim.start()
    victim.join()
    assert victim.exitcode == -signal.SIGKILL

    seen = published_generation(target)
    assert seen is not None
    rows = {table.name: table.rows for table in seen.tables}
    assert rows["customers"] == (60 if step == "database_in_place" else 50)
    with duckdb.connect() as reader:
        parquet = reader.execute(f"from '{target}/parquet/*.parquet' select count(*)").fetchall()
    assert parquet[0][0] in {250 + 2, 300 + 2}

    healed = publish(tmp_path / "warehouse.duckdb", target, DAY)
    assert healed.generation != old.generation
    assert published_generation(target) is not None
    assert sorted(path.name for path in target.iterdir()) == [
        "generations",
        "lifestage.duckdb",
        "parquet",
    ]
    assert [path.name for path in (target / "generations").iterdir()] == [healed.generation]


def read_forever(target: Path, stop: object, seen: object) -> None:
    """Open what is published again and again; report torn reads."""
    reads = torn = 0
    while not stop.is_set():  # ty: ignore[missing-attribute]
        connection = duckdb.connect(target / "lifestage.duckdb", read_only=True)
        counts = connection.execute(
            "select (select count(*) from published.customers),"
            " (select row_count from published.manifest where table_name = 'customers'),"
            " (select count(*) from published.customer_timeline)"
        ).fetchall()[0]
        connection.close()
        reads += 1
        torn += counts[0] != counts[1] or counts[2] != 4 * counts[0]
    seen.put((reads, torn))  # ty: ignore[missing-attribute]


def test_readers_see_one_generation_or_the_other(tmp_path: Path) -> None:
    target = tmp_path / "published"
    publish(make_warehouse(tmp_path, customers=50), target, DAY)
    context = multiprocessing.get_context("spawn")
    stop, seen = context.Event(), context.Queue()
    reader = context.Process(target=read_forever, args=(target, stop, seen))
    reader.start()
    for size in range(51, 63):
        publish(make_warehouse(tmp_path, customers=size), target, DAY)
    stop.set()
    reads, torn = seen.get(timeout=60)
    reader.join()

    assert reads > 0
    assert torn == 0


def test_vanishing_customers_hold_the_publication(tmp_path: Path) -> None:
    target = tmp_path / "published"
    old = publish(make_warehouse(tmp_path, customers=50), target, DAY)
    warehouse = make_warehouse(tmp_path, customers=30)

    with pytest.raises(PublicationHeld, match=r"20 of 50 .*40.0%.*limit is 20.0%.*max_removed"):
        publish(warehouse, target, DAY, max_removed_share=0.2)
    seen = published_generation(target)
    assert seen is not None
    assert seen.generation == old.generation
    assert publish(warehouse, target, DAY, max_removed_share=0.4).is_new


def test_a_damaged_publication_is_not_guessed_about(tmp_path: Path) -> None:
    target = tmp_path / "published"
    publish(make_warehouse(tmp_path), target, DAY)
    (target / "lifestage.duckdb").chmod(0o644)
    (target / "lifestage.duckdb").write_bytes(b"no database")

    with pytest.raises(PublicationHeld, match="remove it"):
        publish(tmp_path / "warehouse.duckdb", target, DAY, max_removed_share=0.2)
    (target / "lifestage.duckdb").unlink()
    assert publish(tmp_path / "warehouse.duckdb", target, DAY, max_removed_share=0.2).is_new


def test_parquet_is_optional_and_can_be_turned_on_later(tmp_path: Path) -> None:
    target = tmp_path / "published"
    warehouse = make_warehouse(tmp_path)
    publish(warehouse, target, DAY, with_parquet=False)
    assert not (target / "parquet").exists()
    publish(warehouse, target, DAY)
    assert (target / "parquet" / "customers.parquet").exists()


def test_a_lossy_column_type_is_refused(tmp_path: Path) -> None:
    warehouse = make_warehouse(tmp_path)
    with open_database(warehouse, read_only=False) as session:
        session.run("create table marts.regimes as select cast(1 as hugeint) as big")

    with pytest.raises(WarehouseError, match="regimes changed its column types"):
        publish(warehouse, tmp_path / "published", DAY)


def test_a_missing_warehouse_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="lifestage refresh"):
        publish(tmp_path / "warehouse.duckdb", tmp_path / "published", DAY)


def test_every_public_table_is_published_once() -> None:
    names = [table.name for table in publication.PUBLIC_TABLES]
    assert len(names) == len(set(names))
