"""Publication: what readers see before, during and after, whatever happens to the writer."""

import hashlib
import json
import multiprocessing
import os
import resource
import shutil
import signal
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from orchestration import generations, public_tables
from orchestration.generations import NAMES, PLACE, published_generation, served
from orchestration.holding import hold, kept_generations, rollback
from orchestration.overlay import DBT_PROJECT_DIR
from orchestration.public_tables import PUBLIC_TABLES, RECORD_TABLES, contracts
from orchestration.publication import Generation, publish
from orchestration.publication_status import PublicationHeld, PublicationStatus, read_status
from orchestration.warehouse import WarehouseError, open_database
from tests.small_warehouse import (
    CODE,
    DAY,
    DRIFT,
    KEYS,
    VOLUME,
    judge,
    judged_warehouse,
    make_warehouse,
    result,
    small_contracts,
)

NEXT_DAY = DAY + timedelta(days=1)
PLACING = ("sealed", "generation_kept", "link_made", "in_place", "named")
PUBLISH_STEPS = (
    *("staging_made", "parquet_staged", "database_staged", "verified", "report_staged"),
    *PLACING,
)
AGAIN_STEPS = ("staging_made", "database_staged", "verified", "report_staged", *PLACING)
VISIBLE_FROM = "in_place"
# Forked from a server that has imported everything: many processes are killed here.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


def write_report(database: Path, target: Path) -> None:
    """Stands for the real report: what it shows comes from the database."""
    target.write_text(f"<p>{read_status(database)}</p>")


def broken_report(_: Path, __: Path) -> None:
    raise ZeroDivisionError


def put(warehouse: Path, target: Path, day: date = DAY, **other: Any) -> Generation:
    asked: dict[str, Any] = {"code_hash": CODE, "contracts": small_contracts()}
    asked |= {"report": write_report, **other}
    return publish(warehouse, target, day, **asked)


def hold_again(target: Path, **other: Any) -> PublicationStatus | None:
    return hold(target, NEXT_DAY, "orders stopped.", report=write_report, **other).status


def seen(target: Path) -> dict[str, str]:
    """The bytes of everything that readers can open, by name."""
    files = [target / name for name in NAMES if (target / name).is_file()]
    files += sorted((target / "parquet").glob("*"))
    return {
        path.relative_to(target).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def content(target: Path) -> dict[str, str]:
    """The bytes of the tables of content, which do not depend on how they were published."""
    names = {f"parquet/{table.name}.parquet" for table in PUBLIC_TABLES}
    return {name: digest for name, digest in seen(target).items() if name in names}


def on_disk(target: Path) -> dict[Path, tuple[int, int]]:
    """Every file and link by its inode and the time of its last change."""
    found = {path: path.lstat() for path in target.rglob("*")}
    return {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in found.items()}


def assert_whole(target: Path) -> None:
    """Everything that readers see belongs together, and nothing is left lying around."""
    listed = json.loads((target / "manifest.json").read_text())
    found = seen(target)
    found.pop("manifest.json")
    assert found == {name: file["sha256"] for name, file in listed["files"].items()}
    status = read_status(target / "lifestage.duckdb")
    published = published_generation(target)
    assert published is not None
    assert published.generation == status.generation == listed["generation"]
    assert (status.is_held, status.verdict) == (listed["is_held"], listed["verdict"])
    with open_database(target / "lifestage.duckdb", read_only=True) as session:
        for table in published.tables:
            for source in (
                f"published.{table.name}",
                f"read_parquet('{target}/parquet/{table.name}.parquet')",
            ):
                assert session.fetch(f"select count(*) from {source}") == [(table.rows,)]
    if (target / "report.html").exists():
        assert str(status) in (target / "report.html").read_text()


def assert_tidy(target: Path) -> None:
    """A finished run leaves the names, the link behind them and complete generations."""
    assert {path.name for path in target.iterdir()} <= {*NAMES, "current", "generations"}
    for path in (target / "generations").iterdir():
        assert PLACE.fullmatch(path.name)
        assert generations.damaged_files(generations.Place(path, 0, "")) == []
        assert not list(path.rglob("*.wal"))


@pytest.fixture(scope="module")
def warehouses(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Judged warehouses by number of customers; tests leave them as they are."""
    root = tmp_path_factory.mktemp("warehouses")
    found = {}
    for customers in (50, 60, 70):
        (root / str(customers)).mkdir()
        found[customers] = judged_warehouse(root / str(customers), customers)
    return found


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "published"


class TestPublish:
    def test_a_generation_is_complete_and_says_what_it_is(
        self, warehouses: dict[int, Path], target: Path
    ) -> None:
        made = put(warehouses[50], target)

        assert made.is_new
        assert made.as_of_date == DAY
        assert [(table.name, table.kind, table.rows) for table in made.tables] == [
            ("customers", "content", 50),
            ("customer_timeline", "content", 200),
            ("rejected_rows", "content", 2),
            ("check_results", "record", 3),
            ("segment_verdicts", "record", 0),
        ]
        published = published_generation(target)
        assert published is not None
        assert sorted(published.tables, key=str) == sorted(made.tables, key=str)
        assert read_status(target / "lifestage.duckdb") == PublicationStatus(
            DAY, made.generation, "pass"
        )
        assert_whole(target)
        assert_tidy(target)

    def test_rows_are_ordered_and_columns_described(
        self, warehouses: dict[int, Path], target: Path
    ) -> None:
        put(warehouses[50], target)
        with open_database(target / "lifestage.duckdb", read_only=True) as session:
            columns = session.columns("lifestage", "published", "customer_timeline")
            assert ("monetary", "DECIMAL(18,4)", "Money so far.") in columns
            rows = session.fetch("select customer_id, valid_from from published.customer_timeline")
            assert rows == sorted(rows)
            for table in ("check_results", "segment_verdicts", "publication_status", "manifest"):
                columns = session.columns("lifestage", "published", table)
                assert columns
                assert all(comment for _, _, comment in columns), table
            assert session.fetch("select value, remedy from published.check_results limit 1") == [
                (0.25, "Mend volume_weekday.")
            ]

    def test_the_day_is_that_of_the_tables_when_an_old_day_is_run_again(
        self, warehouses: dict[int, Path], target: Path
    ) -> None:
        assert put(warehouses[50], target, date(2026, 1, 1)).as_of_date == DAY

    @pytest.mark.parametrize("threads", [1, 8])
    def test_the_same_content_gives_the_same_bytes(self, tmp_path: Path, threads: int) -> None:
        made = []
        for name, shuffled in (("one", 0), ("two", 99)):
            (tmp_path / name).mkdir()
            warehouse = judged_warehouse(tmp_path / name, 40_000, shuffled=shuffled)
            published = tmp_path / name / "published"
            made.append(put(warehouse, published, threads=threads if shuffled else 2))

        assert made[0] == made[1]
        files = [seen(tmp_path / name / "published") for name in ("one", "two")]
        for name in files[0]:
            if name.startswith("parquet/"):
                assert files[0][name] == files[1][name], name

    def test_the_same_generation_changes_nothing(
        self, warehouses: dict[int, Path], tmp_path: Path, target: Path
    ) -> None:
        put(warehouses[60], target)
        first = put(warehouses[50], target)
        before = on_disk(target)
        again = put(judged_warehouse(tmp_path, shuffled=5), target)

        assert not again.is_new
        assert again.generation == first.generation
        assert on_disk(target) == before

    def test_the_same_tables_with_another_verdict_are_the_same_generation(
        self, warehouses: dict[int, Path], tmp_path: Path, target: Path
    ) -> None:
        first = put(warehouses[50], target)
        tables = content(target)
        warehouse = make_warehouse(tmp_path)
        judge(warehouse, result(VOLUME, "warn"), result(KEYS), result(DRIFT))
        again = put(warehouse, target)

        assert again.is_new
        assert again.generation == first.generation
        assert content(target) == tables
        assert read_status(target / "lifestage.duckdb").verdict == "warn"
        assert_whole(target)

    def test_the_history_of_checks_is_published(self, tmp_path: Path, target: Path) -> None:
        warehouse = judged_warehouse(tmp_path)
        with open_database(warehouse, read_only=False) as session:
            session.run(
                "insert into checks.check_results by name select * replace"
                " (date '2026-06-29' as as_of_date, 'error' as status) from checks.check_results"
            )
        put(warehouse, target)
        with open_database(target / "lifestage.duckdb", read_only=True) as session:
            assert session.fetch(
                "select as_of_date, status, count(*) from published.check_results"
                " group by all order by all"
            ) == [(date(2026, 6, 29), "error", 3), (DAY, "pass", 3)]

    def test_old_clients_can_open_it_and_nobody_can_write_to_it(
        self, warehouses: dict[int, Path], target: Path
    ) -> None:
        put(warehouses[50], target)
        hold_again(target)
        # The storage version stands behind the magic bytes; 64 is what every 1.x release reads.
        path = target / "lifestage.duckdb"
        assert path.read_bytes()[8:16] == b"DUCK" + (64).to_bytes(4, "little")
        files = [path for path in (target / "generations").rglob("*") if path.is_file()]
        assert {path.stat().st_mode & 0o777 for path in files} == {0o444}

    def test_parquet_and_report_are_optional(
        self, warehouses: dict[int, Path], target: Path
    ) -> None:
        names = lambda: {path.name for path in target.iterdir()} & set(NAMES)  # noqa: E731
        put(warehouses[50], target, with_parquet=False, report=None)
        assert names() == {"lifestage.duckdb", "manifest.json"}
        assert hold_again(target, reached=lambda _: None) is not None
        assert names() == {"lifestage.duckdb", "manifest.json", "report.html"}
        put(warehouses[50], target)
        assert names() == set(NAMES)
        put(warehouses[50], target, with_parquet=False, report=None)
        assert names() == {"lifestage.duckdb", "manifest.json"}
        assert_tidy(target)

    def test_files_of_an_earlier_version_give_way_to_links(
        self, warehouses: dict[int, Path], target: Path
    ) -> None:
        put(warehouses[50], target)
        place = served(target)
        assert place is not None
        old = target / "generations" / place.generation
        for name in NAMES:
            (target / name).unlink()
        shutil.copy(place.path / "lifestage.duckdb", target)
        old.mkdir()
        (target / "parquet").symlink_to(old.relative_to(target))
        shutil.rmtree(place.path)
        (target / "current").unlink()

        assert hold(target, NEXT_DAY, "orders stopped").status is None
        assert old.exists()
        assert put(warehouses[60], target, max_removed_share=0.2).is_new
        assert not old.exists()
        assert_whole(target)
        assert_tidy(target)


class TestRefusal:
    def test_nothing_changes_without_a_passing_verdict(
        self, warehouses: dict[int, Path], tmp_path: Path, target: Path
    ) -> None:
        put(warehouses[50], target)
        before = seen(target)
        warehouse = make_warehouse(tmp_path, 60)
        with pytest.raises(PublicationHeld, match="no verdict on the tables as of 2026-06-30"):
            put(warehouse, target)
        judge(warehouse, result(VOLUME, "error"), result(KEYS), result(DRIFT))
        with pytest.raises(PublicationHeld, match="volume_weekday holds the tables") as held:
            put(warehouse, target)

        assert held.value.held_by == ("volume_weekday",)
        assert seen(target) == before

    @pytest.mark.parametrize(
        ("statement", "code", "expected"),
        [
            ("update raw.orders set amount = 99 where amount = 7", CODE, "the inputs changed"),
            ("select 1", "other rules", "the rules, the configuration or the code changed"),
            ("update intermediate.int_run_begun set run_id = 'x'", CODE, "did not reach its end"),
            ("delete from checks.verdicts", CODE, "no verdict"),
        ],
    )
    def test_what_changed_after_the_verdict_is_not_published(
        self, tmp_path: Path, target: Path, statement: str, code: str, expected: str
    ) -> None:
        warehouse = judged_warehouse(tmp_path)
        with open_database(warehouse, read_only=False) as session:
            session.run(statement)
        with pytest.raises(PublicationHeld, match=expected):
            put(warehouse, target, code_hash=code)

        assert published_generation(target) is None

    def test_an_approved_error_is_published_as_such(self, tmp_path: Path, target: Path) -> None:
        from orchestration.gate import approve

        warehouse = make_warehouse(tmp_path)
        judge(warehouse, result(VOLUME, "error"), result(KEYS), result(DRIFT))
        with open_database(warehouse, read_only=False) as session:
            approve(session, "C02", DAY, by="Kim", reason="A closed day", until=DAY)
        with pytest.raises(PublicationHeld, match="volume_weekday"):
            put(warehouse, target, NEXT_DAY)
        put(warehouse, target)

        status = read_status(target / "lifestage.duckdb")
        assert (status.verdict, status.approved_checks) == ("approved", "volume_weekday")

    def test_vanishing_customers_hold_the_publication(
        self, warehouses: dict[int, Path], tmp_path: Path, target: Path
    ) -> None:
        put(warehouses[50], target)
        before = seen(target)
        warehouse = judged_warehouse(tmp_path, 30)
        reason = r"20 of 50 .*40.0%.*limit is 20.0%.*max_removed"
        with pytest.raises(PublicationHeld, match=reason) as held:
            put(warehouse, target, max_removed_share=0.2)

        assert held.value.held_by == ("max_removed_share",)
        assert seen(target) == before
        assert put(warehouse, target, max_removed_share=0.4).is_new

    def test_a_damaged_publication_is_not_guessed_about(
        self, warehouses: dict[int, Path], target: Path
    ) -> None:
        put(warehouses[50], target)
        damage(target)
        with pytest.raises(PublicationHeld, match=r"run `lifestage rollback`, or remove"):
            put(warehouses[60], target, max_removed_share=0.2)
        (target / "current").unlink()
        assert put(warehouses[60], target, max_removed_share=0.2).is_new
        assert_whole(target)

    @pytest.mark.parametrize("place", ["", "current"])
    def test_a_log_that_a_client_left_does_not_stand_in_the_way(
        self, warehouses: dict[int, Path], target: Path, place: str
    ) -> None:
        put(warehouses[50], target)
        before = seen(target)
        (target / place / "lifestage.duckdb.wal").write_bytes(b"not a log" * 100)
        put(warehouses[50], target)

        assert seen(target) == before
        assert_whole(target)
        assert_tidy(target)

    @pytest.mark.parametrize("most_bytes", [1_000, 400_000, 1_200_000])
    @pytest.mark.parametrize("act", ["publish", "hold"])
    def test_a_full_disk_changes_nothing(
        self, warehouses: dict[int, Path], target: Path, act: str, most_bytes: int
    ) -> None:
        put(warehouses[50], target)
        before = seen(target)
        arguments = (put, warehouses[60], target) if act == "publish" else (hold_again, target)
        victim = PROCESSES.Process(target=with_little_room, args=(most_bytes, *arguments))
        victim.start()
        victim.join()

        assert victim.exitcode == 1
        assert seen(target) == before
        put(warehouses[60], target)
        assert_whole(target)
        assert_tidy(target)

    def test_a_missing_warehouse_names_the_command(self, tmp_path: Path, target: Path) -> None:
        with pytest.raises(WarehouseError, match="lifestage refresh"):
            put(tmp_path / "warehouse.duckdb", target)

    def test_a_report_that_cannot_be_written_holds_everything(
        self, warehouses: dict[int, Path], target: Path
    ) -> None:
        put(warehouses[50], target)
        before = seen(target)
        with pytest.raises(ZeroDivisionError):
            put(warehouses[60], target, report=broken_report)

        assert seen(target) == before


BROKEN = {
    "a null": ("update marts.customer_timeline set cause = null where monetary = 1", "without cau"),
    "a value": ("update marts.customer_timeline set cause = 'x'", "200 rows with an unknown cause"),
    "a duplicate": (
        "insert into marts.customer_timeline from marts.customer_timeline limit 3",
        r"3 rows do not follow the key \(customer_id, valid_from\)",
    ),
    "a null in the key": (
        "insert into marts.customer_timeline values (null, '2024-01-01', 1, false, 'aged')",
        "without customer_id",
    ),
    "a missing column": (
        "alter table marts.customer_timeline drop column is_projected",
        "the column is_projected is missing",
    ),
    "a column more": (
        "alter table marts.customer_timeline add column email text",
        "the column email is not declared",
    ),
    "another type": (
        "alter table marts.customer_timeline alter column monetary type bigint",
        r"monetary is BIGINT instead of DECIMAL\(18,4\)",
    ),
}


class TestContract:
    @pytest.mark.parametrize("name", BROKEN)
    def test_a_table_that_breaks_its_promise_is_held(
        self, warehouses: dict[int, Path], tmp_path: Path, target: Path, name: str
    ) -> None:
        put(warehouses[50], target)
        before = seen(target)
        statement, expected = BROKEN[name]
        warehouse = make_warehouse(tmp_path)
        with open_database(warehouse, read_only=False) as session:
            # The view over it would stand in the way of a changed column.
            session.run("drop view marts.customers")
            session.run(
                "create table marts.customers as select distinct customer_id,"
                f" date '{DAY}' as as_of_date, cast(1 as decimal(18, 4)) as monetary"
                " from marts.customer_timeline"
            )
            session.run(statement)
        judge(warehouse)
        with pytest.raises(PublicationHeld, match=f"customer_timeline breaks .*{expected}") as held:
            put(warehouse, target)

        assert held.value.held_by == ("contract",)
        assert seen(target) == before

    def test_a_table_without_a_contract_is_held(self, tmp_path: Path, target: Path) -> None:
        warehouse = judged_warehouse(tmp_path)
        with pytest.raises(PublicationHeld, match=r"rejected_rows breaks .*it has none"):
            put(warehouse, target, contracts=without(small_contracts(), "rejected_rows"))

    def test_a_lossy_column_type_is_refused(self, tmp_path: Path, target: Path) -> None:
        warehouse = judged_warehouse(tmp_path)
        with open_database(warehouse, read_only=False) as session:
            session.run("create table marts.regimes as select cast(1 as hugeint) as valid_from")
        with pytest.raises(WarehouseError, match="regimes changed its column types"):
            put(warehouse, target)

    def test_keys_are_those_that_dbt_tests(self) -> None:
        keys = {}
        for path in (DBT_PROJECT_DIR / "models" / "marts").glob("*.yml"):
            for model in yaml.safe_load(path.read_text()).get("models", ()):
                keys[model["name"]] = key_of(model)
        assert keys == {t.name: t.key for t in PUBLIC_TABLES if t.schema == "marts"}

    def test_dbt_types_are_read_as_the_engine_names_them(self) -> None:
        kinds = {part.kind for table in contracts().values() for part in table.columns}
        with duckdb.connect() as connection:
            for kind in kinds:
                found = connection.execute(f"select typeof(null::{kind})").fetchall()
                assert found == [(kind,)]


def test_every_public_table_is_published_once() -> None:
    """Under its name, with a contract for every column of its key."""
    tables = (*PUBLIC_TABLES, *RECORD_TABLES)
    names = [table.name for table in tables]
    assert len(names) == len(set(names))
    declared = contracts()
    assert {*names, "publication_status", "manifest"} == set(declared)
    for table in tables:
        columns = {column.name: column for column in declared[table.name].columns}
        assert all(column.kind and column.description for column in columns.values())
        for name in table.key:
            assert columns[name].is_nullable is (name in table.optional), (table.name, name)


def key_of(model: dict[str, Any]) -> tuple[str, ...] | None:
    for test in model.get("data_tests", ()):
        if "unique_combination" in test:
            return tuple(test["unique_combination"]["arguments"]["columns"])
    for column in model["columns"]:
        if "unique" in column.get("data_tests", ()):
            return (column["name"],)
    return None


def without(mapping: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key != name}


def damage(target: Path) -> None:
    """Overwrite the database that readers see."""
    path = (target / "lifestage.duckdb").resolve()
    path.chmod(0o644)
    path.write_bytes(b"no database")


class TestHold:
    def test_a_refused_night_changes_one_row_and_the_report(
        self, warehouses: dict[int, Path], target: Path
    ) -> None:
        made = put(warehouses[50], target)
        before = seen(target)
        told = hold(
            target,
            NEXT_DAY,
            "orders stopped",
            held_by=("volume_weekday", "key_integrity"),
            report=write_report,
        )

        expected = PublicationStatus(
            as_of_date=DAY,
            generation=made.generation,
            verdict="pass",
            is_held=True,
            held_since=NEXT_DAY,
            held_as_of=NEXT_DAY,
            held_by="volume_weekday, key_integrity",
            held_reason="orders stopped",
            days_behind=1,
        )
        assert told.is_new
        assert told.status == read_status(target / "lifestage.duckdb") == expected
        assert told.message == "readers keep the tables as of 2026-06-30: orders stopped"
        after = seen(target)
        assert {name for name in before if before[name] != after[name]} == {
            "lifestage.duckdb",
            "manifest.json",
            "report.html",
            "parquet/publication_status.parquet",
        }
        assert published_generation(target) == published_tables(made)
        assert_whole(target)
        assert_tidy(target)

    def test_nights_that_are_held_one_after_the_other_add_up(
        self, warehouses: dict[int, Path], target: Path
    ) -> None:
        put(warehouses[50], target)
        for days in (1, 2, 3):
            hold(target, DAY + timedelta(days=days), f"night {days}")
        status = read_status(target / "lifestage.duckdb")
        told = (status.held_since, status.held_as_of, status.held_reason, status.days_behind)
        assert told == (NEXT_DAY, DAY + timedelta(days=3), "night 3", 3)
        # An older day that is refused meanwhile does not make the tables look newer.
        hold(target, DAY, "an old day")
        status = read_status(target / "lifestage.duckdb")
        assert (status.held_as_of, status.days_behind) == (DAY + timedelta(days=3), 3)
        assert len(list((target / "generations").iterdir())) == 2
        assert_tidy(target)

    def test_the_same_refusal_again_changes_nothing(
        self, warehouses: dict[int, Path], target: Path
    ) -> None:
        put(warehouses[50], target)
        hold_again(target)
        before = on_disk(target)
        assert not hold(target, NEXT_DAY, "orders stopped.", report=write_report).is_new
        assert on_disk(target) == before

    @pytest.mark.parametrize("customers", [50, 60], ids=["same tables", "new tables"])
    def test_the_next_publication_releases(
        self, warehouses: dict[int, Path], target: Path, customers: int
    ) -> None:
        put(warehouses[50], target)
        hold_again(target)
        made = put(warehouses[customers], target)

        assert made.is_new
        assert read_status(target / "lifestage.duckdb") == PublicationStatus(
            DAY, made.generation, "pass"
        )
        assert_whole(target)

    def test_nothing_published_is_nothing_to_hold(self, target: Path) -> None:
        told = hold(target, NEXT_DAY, "orders stopped")

        assert (told.status, told.is_new) == (None, False)
        assert told.message == "nothing is published yet; held: orders stopped"
        assert not (target / "lifestage.duckdb").exists()

    def test_a_report_that_cannot_be_written_does_not_hide_the_refusal(
        self, warehouses: dict[int, Path], target: Path
    ) -> None:
        put(warehouses[50], target)
        before = seen(target)
        with pytest.raises(WarehouseError, match=r"could not be written \(ZeroDivisionError\)"):
            hold(target, NEXT_DAY, "orders stopped", report=broken_report)

        assert read_status(target / "lifestage.duckdb").is_held
        assert seen(target)["report.html"] == before["report.html"]
        assert_tidy(target)

    def test_files_are_copied_where_they_cannot_be_linked(
        self, warehouses: dict[int, Path], target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(warehouses[50], target)

        def unable(*_: object) -> None:
            raise OSError

        monkeypatch.setattr(os, "link", unable)
        hold_again(target)
        assert_whole(target)

    def test_tables_are_shared_with_the_generation_before(
        self, warehouses: dict[int, Path], target: Path
    ) -> None:
        put(warehouses[50], target)
        before = (target / "parquet" / "customers.parquet").stat().st_ino
        hold_again(target)
        assert (target / "parquet" / "customers.parquet").stat().st_ino == before


def published_tables(made: Generation) -> Generation:
    tables = tuple(sorted(made.tables, key=lambda table: table.name))
    return Generation(made.generation, made.as_of_date, tables, is_new=False)


class TestGenerations:
    def test_so_many_generations_are_kept(self, tmp_path: Path, target: Path) -> None:
        made = []
        for customers in range(50, 56):
            warehouse = judged_warehouse(tmp_path, customers)
            made.append(put(warehouse, target, keep_generations=3).generation)
            hold_again(target)

        assert [kept.generation for kept in kept_generations(target)] == made[:2:-1]
        assert [kept.is_served for kept in kept_generations(target)] == [True, False, False]
        assert {kept.as_of_date for kept in kept_generations(target)} == {DAY}
        assert_tidy(target)

    def test_one_generation_leaves_the_one_before_until_the_next(
        self, warehouses: dict[int, Path], target: Path
    ) -> None:
        """Somebody may have followed the link to it and be about to open it."""
        made = [put(warehouses[n], target, keep_generations=1).generation for n in (50, 60, 70)]
        assert [kept.generation for kept in kept_generations(target)] == made[:0:-1]

    def test_a_rollback_shows_the_tables_of_before(
        self, warehouses: dict[int, Path], target: Path
    ) -> None:
        first = put(warehouses[50], target)
        tables = content(target)
        second = put(warehouses[60], target)
        told = rollback(target, report=write_report)

        assert content(target) == tables
        assert published_generation(target) == published_tables(first)
        expected = PublicationStatus(
            as_of_date=DAY,
            generation=first.generation,
            verdict="pass",
            is_held=True,
            held_since=DAY,
            held_as_of=DAY,
            held_by="rollback",
            held_reason=f"put back by hand in the place of generation {second.generation}",
        )
        assert told.status == read_status(target / "lifestage.duckdb") == expected
        assert_whole(target)
        assert_tidy(target)

    def test_a_rollback_is_behind_by_the_days_it_took_back(
        self, warehouses: dict[int, Path], tmp_path: Path, target: Path
    ) -> None:
        put(warehouses[50], target)
        later = DAY + timedelta(days=5)
        put(judged_warehouse(tmp_path, 60, later), target, later)
        hold(target, later + timedelta(days=1), "orders stopped")
        rollback(target)

        status = read_status(target / "lifestage.duckdb")
        told = (status.as_of_date, status.held_since, status.held_as_of, status.days_behind)
        assert told == (DAY, later, later + timedelta(days=1), 6)

    def test_rolling_back_again_goes_further_back(
        self, warehouses: dict[int, Path], target: Path
    ) -> None:
        made = [put(warehouses[n], target).generation for n in (50, 60, 70)]
        roll_back(target)
        assert read_status(target / "lifestage.duckdb").generation == made[1]
        roll_back(target)
        assert read_status(target / "lifestage.duckdb").generation == made[0]
        with pytest.raises(WarehouseError, match=f"no such older generation; on disk: {made[2]}"):
            roll_back(target)
        assert [kept.generation for kept in kept_generations(target)] == made[::-1]
        roll_back_to(target, made[2])
        assert read_status(target / "lifestage.duckdb").generation == made[2]
        assert_whole(target)

    def test_publishing_ends_a_rollback(self, warehouses: dict[int, Path], target: Path) -> None:
        put(warehouses[50], target)
        put(warehouses[60], target)
        rollback(target)
        made = put(warehouses[60], target)

        assert made.is_new
        assert not read_status(target / "lifestage.duckdb").is_held

    def test_what_cannot_be_restored_is_refused(
        self, warehouses: dict[int, Path], target: Path
    ) -> None:
        with pytest.raises(WarehouseError, match="no such older generation; on disk: none"):
            rollback(target)
        first = put(warehouses[50], target).generation
        second = put(warehouses[60], target).generation
        before = seen(target)
        with pytest.raises(WarehouseError, match="what readers see already"):
            rollback(target, second)
        with pytest.raises(WarehouseError, match=f"on disk: {second}, {first}"):
            rollback(target, "0" * 16)
        old = next(place for place in generations.places(target) if place.generation == first)
        (old.path / "parquet" / "customers.parquet").unlink()
        with pytest.raises(WarehouseError, match=r"not as it was published \(parquet/customers"):
            rollback(target)
        assert seen(target) == before

    def test_a_rollback_helps_when_what_is_published_is_damaged(
        self, warehouses: dict[int, Path], target: Path
    ) -> None:
        first = put(warehouses[50], target).generation
        put(warehouses[60], target)
        damage(target)
        roll_back(target)

        assert read_status(target / "lifestage.duckdb").generation == first
        assert_whole(target)


def die_at(step: str, act: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Act in this process and be killed at a step."""

    def reached(name: str) -> None:
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    act(*arguments, reached=reached)


def roll_back(target: Path, **other: Any) -> None:
    rollback(target, report=write_report, **other)


def with_little_room(most_bytes: int, act: Callable[..., Any], *arguments: object) -> None:
    """Act in a process that cannot write files larger than that."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    act(*arguments)


class TestKilled:
    """SIGKILL at every step: readers see the old or the new, and the next run heals."""

    def die(self, step: str, act: Callable[..., Any], *arguments: object) -> None:
        victim = PROCESSES.Process(target=die_at, args=(step, act, arguments))
        victim.start()
        victim.join()
        assert victim.exitcode == -signal.SIGKILL

    def check(self, target: Path, step: str, before: dict[str, str], is_new: bool) -> None:
        assert is_new is (PLACING.index(VISIBLE_FROM) <= index_of(step))
        if not is_new:
            assert seen(target) == before
        assert_whole(target)

    def test_these_are_all_steps(self, warehouses: dict[int, Path], target: Path) -> None:
        steps: list[str] = []
        put(warehouses[50], target, reached=steps.append)
        put(warehouses[60], target)
        assert tuple(steps) == PUBLISH_STEPS
        for act in (hold_again, roll_back):
            steps.clear()
            act(target, reached=steps.append)
            assert tuple(steps) == AGAIN_STEPS

    @pytest.mark.parametrize("step", PUBLISH_STEPS)
    def test_while_publishing(self, warehouses: dict[int, Path], target: Path, step: str) -> None:
        put(warehouses[50], target)
        before = seen(target)
        self.die(step, put, warehouses[60], target)
        made = published_generation(target)
        assert made is not None
        customers = {table.name: table.rows for table in made.tables}["customers"]
        self.check(target, step, before, customers == 60)

        put(warehouses[60], target)
        assert len(list((target / "generations").iterdir())) == 2
        assert_whole(target)
        assert_tidy(target)

    @pytest.mark.parametrize("step", PUBLISH_STEPS)
    def test_while_publishing_for_the_first_time(
        self, warehouses: dict[int, Path], target: Path, step: str
    ) -> None:
        self.die(step, put, warehouses[50], target)
        assert (published_generation(target) is not None) is (step == "named")
        put(warehouses[50], target)
        assert_whole(target)
        assert_tidy(target)

    @pytest.mark.parametrize("step", AGAIN_STEPS)
    def test_while_holding(self, warehouses: dict[int, Path], target: Path, step: str) -> None:
        put(warehouses[50], target)
        before, tables = seen(target), content(target)
        self.die(step, hold_again, target)
        assert content(target) == tables
        self.check(target, step, before, read_status(target / "lifestage.duckdb").is_held)

        status = hold_again(target)
        assert read_status(target / "lifestage.duckdb") == status
        assert len(list((target / "generations").iterdir())) == 2
        assert_whole(target)
        assert_tidy(target)

    @pytest.mark.parametrize("step", AGAIN_STEPS)
    def test_while_rolling_back(self, warehouses: dict[int, Path], target: Path, step: str) -> None:
        first = put(warehouses[50], target).generation
        put(warehouses[60], target)
        before = seen(target)
        self.die(step, roll_back, target)
        now = read_status(target / "lifestage.duckdb").generation
        self.check(target, step, before, now == first)

        if now != first:
            roll_back(target)
        put(warehouses[60], target)
        assert_whole(target)
        assert_tidy(target)


def index_of(step: str) -> int:
    """The place of a step among those that put a generation in place; -1 before them."""
    return PLACING.index(step) if step in PLACING else -1


def read_forever(target: Path, stop: Any, told: Any) -> None:
    """Open what is published again and again, as a database and as files; report torn reads."""
    reads, torn, errors = 0, 0, []
    while not stop.is_set():
        try:
            with duckdb.connect(target / "lifestage.duckdb", read_only=True) as connection:
                customers, *others, generation, status = connection.execute(
                    "select (select count(*) from published.customers),"
                    " (select row_count from published.manifest where table_name = 'customers'),"
                    " (select count(*) // 4 from published.customer_timeline),"
                    " (select any_value(generation) from published.manifest),"
                    " generation from published.publication_status"
                ).fetchall()[0]
            torn += {customers} != set(others) or generation != status
            folder = (target / "parquet").resolve()
            with duckdb.connect() as connection:
                counts = connection.execute(
                    f"select (select count(*) from '{folder}/customers.parquet'),"
                    f" (select count(*) // 4 from '{folder}/customer_timeline.parquet'),"
                    f" generation, is_held from '{folder}/publication_status.parquet'"
                ).fetchall()[0]
            listed = json.loads((folder.parent / "manifest.json").read_text())
            shown = (folder.parent / "report.html").read_text()
            torn += counts[0] != counts[1] or counts[2:] != (
                listed["generation"],
                listed["is_held"],
            )
            torn += counts[2] not in shown or f"is_held={counts[3]}" not in shown
            json.loads((target / "manifest.json").read_text())
            (target / "report.html").read_text()
            reads += 1
        except Exception as error:  # noqa: BLE001 - every kind of failure counts
            errors.append(repr(error))
    told.put((reads, torn, errors))


def test_readers_see_one_generation_or_the_other(warehouses: dict[int, Path], target: Path) -> None:
    """Sixty replacements by publications, refusals and rollbacks, with no generation to spare."""
    put(warehouses[50], target)
    stop, told = PROCESSES.Event(), PROCESSES.Queue()
    reader = PROCESSES.Process(target=read_forever, args=(target, stop, told))
    reader.start()
    for round_ in range(15):
        put(warehouses[60], target, keep_generations=1)
        hold(target, NEXT_DAY, f"night {round_}", report=write_report)
        roll_back(target)
        put(warehouses[70], target, keep_generations=1)
    stop.set()
    reads, torn, errors = told.get(timeout=60)
    reader.join()

    assert reads > 30
    assert (torn, errors) == (0, [])


class Interrupted(Exception):  # noqa: N818 - thrown in on purpose
    """Stands for the end of the process."""


class Publishing(RuleBasedStateMachine):
    """Publications, refusals and rollbacks in any order, each possibly broken off anywhere."""

    warehouses: dict[int, Path]
    root: Path

    @initialize()
    def begin(self) -> None:
        self.target = self.root / "published"
        shutil.rmtree(self.target, ignore_errors=True)
        # What readers see by the book: number of customers, whether it is held; and what was kept.
        self.shown: tuple[int, bool] | None = None
        self.sizes: dict[str, int] = {}
        self.is_tidy = True

    def act(self, step: str | None, shows: tuple[int, bool], do: Callable[..., Any]) -> None:
        def reached(name: str) -> None:
            if name == step:
                raise Interrupted

        self.is_tidy = True
        try:
            do(reached=reached)
        except Interrupted:
            self.is_tidy = False
            if PLACING.index(VISIBLE_FROM) > index_of(str(step)):
                return
        self.shown = shows

    @rule(customers=st.sampled_from([50, 60, 70]), step=st.sampled_from([None, *PUBLISH_STEPS]))
    def publishes(self, customers: int, step: str | None) -> None:
        if self.shown == (customers, False) and index_of(str(step)) >= 0:
            step = None  # nothing is put in place, so nothing can be broken off there
        warehouse = self.warehouses[customers]
        self.act(step, (customers, False), lambda **to: put(warehouse, self.target, **to))

    @precondition(lambda self: self.shown is not None)
    @rule(days=st.integers(0, 3), step=st.sampled_from([None, *AGAIN_STEPS]))
    def holds(self, days: int, step: str | None) -> None:
        day = DAY + timedelta(days=days)
        held = (self.shown[0], True)  # ty: ignore[not-subscriptable]
        self.act(step, held, lambda **to: hold(self.target, day, "why", report=write_report, **to))

    @precondition(lambda self: self.shown is not None)
    @rule(choice=st.integers(0, 9), step=st.sampled_from([None, *AGAIN_STEPS]))
    def rolls_back(self, choice: int, step: str | None) -> None:
        others = [kept for kept in kept_generations(self.target) if not kept.is_served]
        if not others:
            return
        chosen = others[choice % len(others)].generation
        place = [found for found in generations.places(self.target) if found.generation == chosen]
        customers = published_rows(place[-1].database)
        self.act(step, (customers, True), lambda **to: roll_back_to(self.target, chosen, **to))

    @invariant()
    def readers_see_what_they_should(self) -> None:
        if self.shown is None or not (self.target / "lifestage.duckdb").exists():
            # The names come last of all, once.
            assert self.shown is None or not self.is_tidy
            return
        status = read_status(self.target / "lifestage.duckdb")
        assert (published_rows(self.target / "lifestage.duckdb"), status.is_held) == self.shown
        if set(NAMES) <= {path.name for path in self.target.iterdir()}:
            assert_whole(self.target)
        if self.is_tidy:
            assert_tidy(self.target)


def roll_back_to(target: Path, generation: str, **other: Any) -> None:
    rollback(target, generation, report=write_report, **other)


def published_rows(database: Path) -> int:
    with open_database(database, read_only=True) as session:
        return session.fetch("select count(*) from published.customers")[0][0]


def test_any_history_of_publications(warehouses: dict[int, Path], tmp_path: Path) -> None:
    Publishing.warehouses, Publishing.root = warehouses, tmp_path
    run_state_machine_as_test(
        Publishing,
        settings=hypothesis_settings(
            max_examples=8,
            stateful_step_count=10,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_public_tables_are_told_apart_by_their_kind() -> None:
    assert {table.schema for table in RECORD_TABLES} == {"checks", "measurement"}
    assert {table.schema for table in public_tables.PUBLIC_TABLES} == {
        "marts",
        "activation",
        "staging",
    }
