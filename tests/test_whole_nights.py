"""Whole nights on a server: what is checked, measured, published and delivered is as on DuckDB.

The command line computes two nights of the sample shop on each engine, the second with late,
corrected and deleted orders; then every table that the night wrote is compared row by row, and so
is what readers see.
"""

from __future__ import annotations

import shutil
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg
import pytest
from pyhive import hive

from tests.conftest import REPOSITORY, Installation, make_installation
from tests.engines import postgres_server, spark_cluster
from tests.test_parity import (
    BUCKETS,
    FIRST_NIGHT,
    LAST_DAY,
    OWN_COLUMNS,
    Rows,
    forget_what_came_later,
    split,
    unlike,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    Fetch = Callable[[str], list[tuple[Any, ...]]]

SCHEMAS = (
    *("raw", "rules", "staging", "intermediate", "marts", "quality", "activation"),
    *("checks", "measurement", "delivery"),
)
# Hashes of an engine's own rows and what follows from them, and the clock.
DIFFERENT = OWN_COLUMNS | {
    *("input_hash", "results_hash", "generation", "idempotency_key", "content_hash"),
    *("started_at", "finished_at"),
}
# They repeat the hash of the labels.
WITH_HASH = {"check_results": {"details"}}
READERS = "published"
PERSON = "C0042"
MANY = 200


def two_nights(root: Any, engine: Mapping[str, str] | None = None) -> Installation:
    """Compute both nights with the command line."""
    shop = make_installation(root, engine)
    orders = shop.root / "seeds" / "sample" / "raw_orders.csv"
    forget_what_came_later(orders)
    done = shop.lifestage("refresh", "--as-of", FIRST_NIGHT.isoformat())
    assert done.returncode == 0, done.stderr
    shutil.copy(REPOSITORY / "seeds" / "sample" / "raw_orders.csv", orders)
    done = shop.lifestage("refresh", "--as-of", LAST_DAY.isoformat())
    assert done.returncode == 0, done.stderr
    return shop


@pytest.fixture(scope="module")
def on_file(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Both nights on DuckDB."""
    return two_nights(tmp_path_factory.mktemp("duckdb") / "shop")


@contextmanager
def reading(path: Path) -> Generator[Fetch]:
    """Open a file of DuckDB."""
    with closing(duckdb.connect(path, read_only=True)) as file:
        file.execute("set TimeZone = 'UTC'")
        yield lambda query: file.execute(query).fetchall()


@dataclass(frozen=True)
class Warehouse:
    """The shop on a server, and ways to look into it.

    Attributes:
        shop: The installation.
        fetch: Runs a query in which names are quoted as in the standard.
        tables: Names the tables and views of schemas.
        naming: Names the stored tables with a row in which a word stands somewhere.
    """

    shop: Installation
    fetch: Fetch
    tables: Callable[[Sequence[str]], set[tuple[str, str]]]
    naming: Callable[[str], list[str]]


@contextmanager
def on_postgres(root: Path) -> Generator[Warehouse]:
    """Both nights on PostgreSQL."""
    with postgres_server() as host:
        login = f"host={host} user=postgres"
        with psycopg.connect(f"{login} dbname=postgres", autocommit=True) as connection:
            connection.execute("create database warehouse template template0 lc_collate 'C'")
        engine = {
            "LIFESTAGE_TARGET": "postgres",
            "LIFESTAGE_POSTGRES_HOST": str(host),
            "LIFESTAGE_POSTGRES_USER": "postgres",
        }
        shop = two_nights(root, engine)
        inside = f"{login} dbname=warehouse options='-c TimeZone=UTC'"
        with psycopg.connect(inside, autocommit=True) as reader:

            def fetch(query: str) -> list[tuple[Any, ...]]:
                return reader.execute(query).fetchall()  # ty: ignore[no-matching-overload]

            def naming(word: str) -> list[str]:
                stored = fetch(
                    "select format('%I.%I', schemaname, tablename) from pg_tables"
                    " where schemaname not in ('pg_catalog', 'information_schema')"
                )
                assert len(stored) > MANY
                asked = "select 1 from {} as one where one::text ~ '\\m{}\\M' limit 1"
                return [table for (table,) in stored if fetch(asked.format(table, word))]

            yield Warehouse(shop, fetch, lambda schemas: set(columns_of(fetch, schemas)), naming)


@contextmanager
def on_spark(root: Path) -> Generator[Warehouse]:
    """Both nights on a cluster of two workers."""
    with spark_cluster() as cluster:
        engine = {
            "LIFESTAGE_TARGET": "spark",
            "LIFESTAGE_SPARK_PORT": str(cluster.port),
            "LIFESTAGE_SPARK_BUCKETS": str(BUCKETS),
        }
        shop = two_nights(root, engine)
        with closing(hive.connect("127.0.0.1", cluster.port)) as connection:
            yield spark_warehouse(shop, connection.cursor())


def spark_warehouse(shop: Installation, cursor: hive.Cursor) -> Warehouse:
    """Look into the warehouse of a cluster."""

    def fetch(query: str) -> list[tuple[Any, ...]]:
        cursor.execute(query.replace('"', "`"))
        return cursor.fetchall()

    def tables(schemas: Sequence[str]) -> set[tuple[str, str]]:
        return {
            (schema, row[1]) for schema in schemas for row in fetch(f'show tables in "{schema}"')
        }

    def naming(word: str) -> list[str]:
        schemas = [row[0] for row in fetch("show databases")]
        assert not [name for name in schemas if name.startswith("lifestage_work")]
        views = {(one, row[1]) for one in schemas for row in fetch(f'show views in "{one}"')}
        stored = [f"{schema}.{name}" for schema, name in sorted(tables(schemas) - views)]
        assert len(stored) > MANY
        # A session keeps the names of the files that it has read, and the night wrote others.
        for table in stored:
            cursor.execute(f"refresh table {table}")
        asked = "select 1 from {} as one where to_json(struct(one.*)) rlike '\\\\b{}\\\\b' limit 1"
        return [table for table in stored if fetch(asked.format(table, word))]

    return Warehouse(shop, fetch, tables, naming)


@pytest.fixture(
    scope="module", params=[on_postgres, pytest.param(on_spark, marks=pytest.mark.large)]
)
def on_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    """Both nights on a server."""
    with request.param(tmp_path_factory.mktemp("server") / "shop") as warehouse:
        yield warehouse


def columns_of(fetch: Fetch, schemas: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    """Name the tables of schemas and the columns that engines share."""
    listed = ", ".join(f"'{schema}'" for schema in schemas)
    found: dict[tuple[str, str], list[str]] = {}
    for schema, name, column in fetch(
        "select table_schema, table_name, column_name from information_schema.columns"
        f" where table_schema in ({listed}) order by table_schema, table_name, ordinal_position"
    ):
        kept = found.setdefault((schema, name), [])
        if column not in DIFFERENT | WITH_HASH.get(name, set()):
            kept.append(column)
    return found


def rows(fetch: Fetch, table: tuple[str, str], columns: list[str]) -> Rows:
    """Read a table: its rows without their floats, each with the floats that go with it."""
    # Of a table with nothing but hashes its number of rows is left.
    listed = ", ".join(f'"{column}"' for column in columns) or "1"
    return split(fetch(f'select {listed} from "{table[0]}"."{table[1]}"'))


def differences(ours: Fetch, theirs: Warehouse, schemas: Sequence[str]) -> list[str]:
    """Name the tables that are not the same, each with a row that differs."""
    tables = columns_of(ours, schemas)
    assert set(tables) == theirs.tables(schemas)
    found = []
    for table, columns in tables.items():
        wrong = unlike(*(rows(fetch, table, columns) for fetch in (ours, theirs.fetch)))
        if wrong:
            found.append(f"{table}: {len(wrong)} rows, of them {wrong[0]}")
    return found


def test_every_table_of_the_night_is_the_same(on_file: Installation, on_server: Warehouse) -> None:
    with reading(on_file.settings.warehouse_path) as fetch:
        assert differences(fetch, on_server, SCHEMAS) == []


def test_readers_see_the_same(on_file: Installation, on_server: Warehouse) -> None:
    with reading(on_file.settings.published_dir / "lifestage.duckdb") as fetch:
        assert differences(fetch, on_server, (READERS,)) == []


def test_the_command_line_says_the_same(
    on_file: Installation, on_server: Warehouse, tmp_path: Path
) -> None:
    rules = (REPOSITORY / "seeds" / "rules" / "segment_rules.csv").read_text()
    stricter = tmp_path / "stricter.csv"
    stricter.write_text(rules.replace("champions,4,5,4,5,4,5", "champions,5,5,5,5,5,5"))
    for asked in (
        ("checks", "--all"),
        ("explain", PERSON),
        ("what-if", str(stricter)),
        ("plan",),
        ("deliver",),
    ):
        ours, theirs = (shop.lifestage(*asked) for shop in (on_file, on_server.shop))
        assert ours.returncode == theirs.returncode == 0, theirs.stderr
        assert ours.stdout == theirs.stdout


def test_the_report_is_there(on_server: Warehouse) -> None:
    page = on_server.shop.settings.published_dir / "report.html"
    assert "<html" in page.read_text()


def test_nothing_stays_of_a_person_who_is_erased(on_server: Warehouse) -> None:
    for asked in (("erase", "--customer", PERSON), ("refresh", "--as-of", LAST_DAY.isoformat())):
        done = on_server.shop.lifestage(*asked)
        assert done.returncode == 0, done.stderr
    assert on_server.naming(PERSON) == []
