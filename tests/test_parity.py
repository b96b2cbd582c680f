"""The same shop on every engine: after two nights each holds the same rows.

DuckDB is the measure, because every other test holds it against brute force and published
numbers. The shop is the sample with what a second night brings: days of orders, late ones, a
correction and a deletion. Servers are real; where one cannot be had, the tests fail.
"""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
import subprocess
import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg
import pytest
from pyhive import hive

from orchestration.settings import Server
from orchestration.warehouse import WarehouseError
from orchestration.warehouse.spark import open_spark
from tests.conftest import REPOSITORY
from tests.engines import SparkCluster, postgres_server, spark_cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

LAST_DAY = date(2026, 6, 30)
FIRST_NIGHT = date(2026, 6, 15)
SCHEMAS = ("staging", "intermediate", "marts", "quality", "activation")
WITHOUT_TESTS = ("--exclude-resource-type", "test")
# A hash of the engine's own, which is compared with itself only, and the names of runs.
OWN_COLUMNS = {"fingerprint", "labels_fingerprint", "batch", "checks_hash", "run_id"}
# What the last run found to do, which is something else after other nights.
OF_THE_RUN = {
    "stg_shop__order_batches_changed",
    *("int_as_of_dates", "int_days_changed", "int_late_orders", "int_refresh_scope"),
    *("int_customers_touched", "int_customers_relabelled", "int_customers_stepping"),
    *("int_run_begun", "int_run_applied", "quality_late_arrivals"),
}

TIMES = """
2024-02-29
2023-02-29
2024-01-01T10:00
2024-01-01 23:59:59.1234567
2024-01-01T10:00:59
2024-01-01T10:00:60
2024-01-01T10:00:75
2024-01-01 10:60
2024-01-01T24:00
2024-13-01
2024-04-31 08:00:00
2024-01-01T10:00:60Z
2024-01-01T10:00Z
2024-01-01T10:00:75+02:00
2024-01-01 10:00:59.9 Z
2024-01-01 10:00 -02
2024-01-01T00:30:00+02:00
2024-03-01T00:00:00.5-0230
2024-01-01T10:00+15
2024-01-01 10:00:59 +0200
20240315
2024315
31.12.85
31.12.24
1.2.69
01.02.68
30.02.24
01.13.24
15/03/2024 7:05
15/03/2024 07:05
15/03/2024 24:05
15/03/2024 07:60
2024-03-15T07:05:59h
2024-03-15T07:05:60h
2024-03-15T07:05:99h
soon
""".splitlines()  # the first one is empty
FORMATS = ("%Y%m%d", "%d.%m.%y", "%d/%m/%Y %H:%M", "%Y-%m-%dT%H:%M:%Sh")

# Few, because the shop is small.
BUCKETS = 4

# Floating-point sums depend on the order of the rows, which no engine promises.
CLOSE = 1e-6

Rows = dict[tuple[Any, ...], list[tuple[float, ...]]]


@dataclass(frozen=True)
class Engine:
    """A target of the profile, the environment that leads to it, and a way to read its tables.

    Attributes:
        name: The target.
        home: Where dbt writes what it makes of the project.
        fetch: Runs a query.
        environment: Where the server is.
        files: Where the engine keeps its tables, for one that keeps them as files.
    """

    name: str
    home: Path
    fetch: Callable[[str], list[tuple[Any, ...]]]
    environment: dict[str, str] = field(default_factory=dict)
    files: Path | None = None

    def build(self, seeds: Path, as_of: date, *arguments: str) -> None:
        """Run one night."""
        named = {
            "LIFESTAGE_SEEDS": os.path.relpath(seeds, REPOSITORY / "dbt_project"),
            "LIFESTAGE_AS_OF": as_of.isoformat(),
        }
        self._dbt("build", "--exclude-resource-type", "unit_test", *arguments, **named)

    def answers(self, query: str) -> list[tuple[Any, ...]]:
        """Fetch a query that is written with macros."""
        return self.fetch(self._dbt("compile", "--no-introspect", "--inline", query))

    def shown(self, query: str) -> str:
        """Let dbt run a query and print what it gives."""
        return self._dbt("show", "--inline", query, "--output", "json")

    def _dbt(self, command: str, *arguments: str, **named: str) -> str:
        project = REPOSITORY / "dbt_project"
        own = {"LIFESTAGE_TARGET": self.name, "LIFESTAGE_HOME": str(self.home)}
        done = subprocess.run(
            [
                *(Path(sys.executable).parent / "dbt", "--quiet", "--no-use-colors", command),
                *arguments,
                *("--project-dir", project, "--profiles-dir", REPOSITORY / "profiles"),
                *("--target-path", self.home / "target", "--log-path", self.home / "logs"),
            ],
            env=os.environ | self.environment | own | named,
            cwd=project,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
        return done.stdout

    def rows(self, schema: str, name: str, columns: list[str]) -> Rows:
        """Read a table: its rows without their floats, each with the floats that go with it."""
        if self.files is not None:
            # A session keeps the names of the files that it has read.
            self.fetch(f"refresh table {schema}.{name}")
        return split(self.fetch(f"select {', '.join(columns)} from {schema}.{name}"))


def split(found: list[tuple[Any, ...]]) -> Rows:
    """Count rows without their floats, each with the floats that go with it."""
    rows: Rows = {}
    for row in found:
        exact = tuple("float" if isinstance(value, float) else plain(value) for value in row)
        floats = tuple(value for value in row if isinstance(value, float))
        rows.setdefault(exact, []).append(floats)
    return rows


def unlike(ours: Rows, theirs: Rows) -> list[Any]:
    """Name the rows that are not equally often in both, with floats that are nearly the same."""
    found = []
    for exact in sorted(ours.keys() | theirs.keys(), key=str):
        left, right = (sorted(rows.get(exact, [])) for rows in (ours, theirs))
        pairs = zip(chain.from_iterable(left), chain.from_iterable(right), strict=False)
        if len(left) != len(right) or not all(map(is_close, pairs)):
            found.append((exact, left[:1], right[:1]))
    return found


def is_close(pair: tuple[float, float]) -> bool:
    """Say whether two numbers differ by no more than what the order of a sum may change."""
    return math.isclose(*pair, rel_tol=CLOSE, abs_tol=CLOSE)


def plain(value: Any) -> Any:
    """Write a value in the one way that all engines share."""
    if isinstance(value, Decimal):
        return f"{value.normalize() + 0:f}"
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(sep=" ")
    return value if value is None else str(value)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, date]]:
    """The inputs of two nights."""
    root = tmp_path_factory.mktemp("parity")
    found = []
    for day in (FIRST_NIGHT, LAST_DAY):
        seeds = root / day.isoformat()
        shutil.copytree(REPOSITORY / "seeds", seeds)
        if day == FIRST_NIGHT:
            forget_what_came_later(seeds / "sample" / "raw_orders.csv")
        found.append((seeds, day))
    return found


def forget_what_came_later(path: Path) -> None:
    """Take out the orders of later days and some that come late; others are wrong as yet."""
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    at = {name: header.index(name) for name in header}
    kept = []
    for number, row in enumerate(rows):
        is_known = row[at["ordered_at"]][:10] <= FIRST_NIGHT.isoformat()
        if not is_known or number % 50 == 7:
            continue
        if number % 50 == 13 and row[at["amount"]].replace(".", "").isdigit():
            row[at["amount"]] = str(Decimal(row[at["amount"]]) + 1)
        kept.append(row)
        if number % 100 == 23:
            kept.append([f"deleted-{number}", *row[1:]])
    assert 0 < len(kept) < len(rows)
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *kept])


@pytest.fixture(scope="module")
def duck(nights: list[tuple[Path, date]], tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The shop on DuckDB after both nights."""
    home = tmp_path_factory.mktemp("duckdb")

    def fetch(query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            return connection.execute(query).fetchall()

    engine = Engine("duckdb", home, fetch)
    for seeds, day in nights:
        engine.build(seeds, day, *WITHOUT_TESTS)
    return engine


def tables(duck: Engine) -> dict[tuple[str, str], list[str]]:
    """Name every table and its columns."""
    found: dict[tuple[str, str], list[str]] = {}
    query = (
        "select table_schema, table_name, column_name from information_schema.columns"
        f" where table_schema in {SCHEMAS} order by table_schema, table_name, ordinal_position"
    )
    for schema, name, column in duck.fetch(query):
        kept = found.setdefault((schema, name), [])
        if column not in OWN_COLUMNS:
            kept.append(column)
    assert len(found) > 140
    return found


def differences(duck: Engine, other: Engine, without: set[str]) -> list[str]:
    """Name the tables that do not hold the same rows, each with a row that differs."""
    found = []
    for (schema, name), columns in tables(duck).items():
        if name in without or not columns:
            continue
        wrong = unlike(*(one.rows(schema, name, columns) for one in (duck, other)))
        if wrong:
            found.append(f"{name}: {len(wrong)} rows, of them {wrong[0]}")
    return found


def times_read(engine: Engine) -> dict[str, list[Any]]:
    """What an engine makes of texts that may be times."""
    rows = " union all ".join(f"select '{text}' as text" for text in TIMES)
    local = [f"{{{{ parse_local_time('text', ['{form}']) }}}}" for form in FORMATS]
    several = f"{{{{ parse_local_time('text', {list(FORMATS)}) }}}}"
    asked = ", ".join([*local, several, "{{ parse_instant('text') }}"])
    answers = engine.answers(f"select text, {asked} from ({rows}) as texts")
    return {text: [plain(value) for value in values] for text, *values in answers}


@contextmanager
def on_postgres(home: Path) -> Generator[Engine]:
    """Start a server with an empty database."""
    with postgres_server() as host:
        login = f"host={host} user=postgres"
        with psycopg.connect(f"{login} dbname=postgres", autocommit=True) as connection:
            connection.execute("create database warehouse")
        environment = {"LIFESTAGE_POSTGRES_HOST": str(host), "LIFESTAGE_POSTGRES_USER": "postgres"}
        options = "options='-c TimeZone=UTC'"
        with psycopg.connect(f"{login} dbname=warehouse {options}", autocommit=True) as reader:

            def fetch(query: str) -> list[tuple[Any, ...]]:
                return reader.execute(query).fetchall()  # ty: ignore[no-matching-overload]

            yield Engine("postgres", home, fetch, environment)


@contextmanager
def on_spark(home: Path) -> Generator[Engine]:
    """Start a cluster of two workers; both have to do tasks."""
    # The dangerous one of two: sessions say for themselves which they want.
    of_server = {"spark.sql.sources.partitionOverwriteMode": "dynamic"}
    with (
        spark_cluster(settings=of_server) as cluster,
        closing(hive.connect("127.0.0.1", cluster.port)) as connection,
    ):
        reader = connection.cursor()

        def fetch(query: str) -> list[tuple[Any, ...]]:
            reader.execute(query)
            return reader.fetchall() if reader.description else []

        environment = {
            "LIFESTAGE_SPARK_PORT": str(cluster.port),
            "LIFESTAGE_SPARK_BUCKETS": str(BUCKETS),
        }
        yield Engine("spark", home, fetch, environment, cluster.home / "warehouse")
        assert len(executors(cluster)) == 2


def test_postgres_reads_the_times_that_duckdb_reads(duck: Engine, tmp_path: Path) -> None:
    with on_postgres(tmp_path) as postgres:
        assert times_read(postgres) == times_read(duck)


@pytest.fixture(scope="module")
def spark(
    nights: list[tuple[Path, date]], tmp_path_factory: pytest.TempPathFactory
) -> Generator[Engine]:
    """The shop on Spark after one night that knows all."""
    with on_spark(tmp_path_factory.mktemp("spark")) as engine:
        engine.build(*nights[-1], *WITHOUT_TESTS)
        yield engine


def test_spark_reads_the_times_that_duckdb_reads(duck: Engine, spark: Engine) -> None:
    assert times_read(spark) == times_read(duck)


def test_sessions_on_spark_have_their_own_settings(spark: Engine) -> None:
    server = Server("127.0.0.1", int(spark.environment["LIFESTAGE_SPARK_PORT"]), "lifestage")
    with open_spark(server) as session:
        ((_, mode),) = session.plain("set spark.sql.sources.partitionOverwriteMode")
        assert session.fetch("select ?", ["a${env:HOME}"]) == [("a${env:HOME}",)]
    assert mode == "static"
    assert "a${env:HOME}" in spark.shown("select 'a${env:HOME}' as address")
    deep = (
        "with recursive steps as"
        " (select 1 as n union all select n + 1 as n from steps where n < 150)"
        " select max(n) as deepest from steps"
    )
    assert '"deepest": 150' in spark.shown(deep)


def test_a_table_that_spark_could_not_write_over_is_not_lost(
    spark: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server("127.0.0.1", int(spark.environment["LIFESTAGE_SPARK_PORT"]), "lifestage")
    with open_spark(server) as session:
        session.run("create schema kept")
        session.run("create table kept.numbers as select * from (values (1), (2), (3)) as t (n)")
        done = session._executed

        def broken(said: str) -> hive.Cursor:
            return done(said.replace("insert overwrite table", "insert overwrite no table"))

        monkeypatch.setattr(session, "_executed", broken)
        with pytest.raises(WarehouseError, match=r"kept\.numbers .* are in (\S+);") as refused:
            session.run("delete from kept.numbers where n = 2")
    copy = str(refused.value).split(" are in ")[1].split(";")[0]
    assert sorted(spark.fetch(f"select n from {copy}")) == [(1,), (3,)]
    with open_spark(server) as session:
        with pytest.raises(WarehouseError, match="lifestage_rewritten_"):
            session.compact(())
        session.drop_schema(copy.split(".")[0])
        # Runs that were killed while they made a copy: nothing is missing.
        session.run("create schema lifestage_rewritten_empty")
        session.run("create schema lifestage_rewritten_begun")
        session.run("create table lifestage_rewritten_begun.unfinished as select 1 as n")
        session.compact(())
        assert not [name for name in session.schemas() if name.startswith("lifestage_rewritten")]
        session.run("delete from kept.numbers where n = 2")
        assert session.fetch("select n from kept.numbers order by n") == [(1,), (3,)]
        assert not [name for name in session.schemas() if name.startswith("lifestage_rewritten")]
        session.drop_schema("kept")


def test_spark_holds_what_duckdb_holds(duck: Engine, spark: Engine) -> None:
    assert differences(duck, spark, OF_THE_RUN) == []


def test_spark_writes_only_the_buckets_of_those_whom_a_night_concerns(
    duck: Engine, spark: Engine, nights: list[tuple[Path, date]]
) -> None:
    table = ("intermediate", "int_customer_days")
    days = ".".join(table)
    stored = spark.fetch(f"select distinct customer_id, bucket from {days} order by 2, 1")
    numbers = sorted({bucket for _, bucket in stored})
    assert numbers == list(range(BUCKETS))
    # Everybody of a bucket, of which nothing stays for the time being, and one of another.
    some_of_last = next(customer for customer, bucket in stored if bucket == numbers[-1])
    concerned = f"bucket = {numbers[0]} or customer_id = '{some_of_last}'"
    touched = (
        "select distinct customer_id, date '1900-01-01' as from_day, cast(null as date) as"
        " first_order_date, cast(null as date) as last_order_date, cast(null as integer) as orders,"
        f" cast(null as decimal(18, 4)) as monetary from {days} where {concerned}"
    )
    spark.fetch(f"insert overwrite table intermediate.int_customers_touched {touched}")
    before = files_of_buckets(spark, *table)
    spark.build(*nights[-1], "--select", table[-1], *WITHOUT_TESTS)
    after = files_of_buckets(spark, *table)
    assert {bucket for bucket in before if before[bucket] != after[bucket]} == {
        f"bucket={numbers[0]}",
        f"bucket={numbers[-1]}",
    }
    # Another night may have another number of buckets.
    spark.fetch(f"refresh table {days}")
    spark.fetch(f"insert overwrite table intermediate.int_customers_touched {touched}")
    fewer = replace(spark, environment=spark.environment | {"LIFESTAGE_SPARK_BUCKETS": "1"})
    fewer.build(*nights[-1], "--select", table[-1], *WITHOUT_TESTS)
    spark.fetch(f"refresh table {days}")
    columns = tables(duck)[table]
    assert unlike(*(one.rows(*table, columns) for one in (duck, spark))) == []


def test_spark_refuses_a_table_without_buckets_until_it_is_made_anew(
    duck: Engine, spark: Engine, nights: list[tuple[Path, date]]
) -> None:
    table = ("intermediate", "int_customers_current")
    current, columns = ".".join(table), tables(duck)[table]
    listed = ", ".join(columns)
    spark.fetch(
        f"create table intermediate.of_before using parquet as select {listed} from {current}"
    )
    spark.fetch(f"drop table {current}")
    spark.fetch(f"alter table intermediate.of_before rename to {current}")
    asked = (*nights[-1], "--select", table[-1], *WITHOUT_TESTS)
    with pytest.raises(AssertionError, match="out of sync"):
        spark.build(*asked)
    assert unlike(*(one.rows(*table, columns) for one in (duck, spark))) == []
    spark.build(*asked, "--full-refresh")
    spark.fetch(f"refresh table {current}")
    assert len(files_of_buckets(spark, *table)) == BUCKETS
    assert unlike(*(one.rows(*table, columns) for one in (duck, spark))) == []


def files_of_buckets(spark: Engine, schema: str, name: str) -> dict[str, set[str]]:
    """Name the files of each bucket of a table."""
    assert spark.files is not None
    folders = (spark.files / f"{schema}.db" / name).glob("bucket=*")
    return {folder.name: {file.name for file in folder.glob("*.parquet")} for folder in folders}


@pytest.mark.large
@pytest.mark.parametrize("start", [on_postgres, on_spark])
def test_nights_pass_all_tests_and_go_on_after_a_break(
    start: Callable[[Path], AbstractContextManager[Engine]],
    duck: Engine,
    nights: list[tuple[Path, date]],
    tmp_path: Path,
) -> None:
    (first, second) = nights
    with start(tmp_path) as engine:
        engine.build(*first)
        engine.build(*second)
        assert differences(duck, engine, set()) == []
        engine.build(*second, "--select", "+int_customer_days", *WITHOUT_TESTS)
        engine.build(*second)
        assert differences(duck, engine, OF_THE_RUN) == []


def executors(cluster: SparkCluster) -> set[str]:
    """Name the processes that did tasks, from the log of events."""
    found = set()
    for log in cluster.home.glob("events/*"):
        for line in log.read_text().splitlines():
            told = json.loads(line)
            if told["Event"] == "SparkListenerTaskEnd":
                found.add(told["Task Info"]["Executor ID"])
    return found
