"""Whole nights on a server: what is checked, measured, published and delivered is as on DuckDB.

The command line computes two nights of the sample shop on each engine, the second with late,
corrected and deleted orders; then every table that the night wrote is compared row by row, and so
is what readers see.
"""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg
import pytest

from tests.conftest import REPOSITORY, Installation, make_installation
from tests.engines import postgres_server
from tests.test_parity import FIRST_NIGHT, LAST_DAY, OWN_COLUMNS, forget_what_came_later, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

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


@pytest.fixture(scope="module")
def on_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, str]]:
    """Both nights on PostgreSQL, and a way in."""
    with postgres_server() as host:
        login = f"host={host} user=postgres"
        with psycopg.connect(f"{login} dbname=postgres", autocommit=True) as connection:
            connection.execute("create database warehouse template template0 lc_collate 'C'")
        engine = {
            "LIFESTAGE_TARGET": "postgres",
            "LIFESTAGE_POSTGRES_HOST": str(host),
            "LIFESTAGE_POSTGRES_USER": "postgres",
        }
        shop = two_nights(tmp_path_factory.mktemp("postgres") / "shop", engine)
        yield shop, f"{login} dbname=warehouse options='-c TimeZone=UTC'"


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


def rows(fetch: Fetch, table: tuple[str, str], columns: list[str]) -> Counter[tuple[Any, ...]]:
    """Count the rows of a table, with values that mean the same written the same."""
    # Of a table with nothing but hashes its number of rows is left.
    listed = ", ".join(f'"{column}"' for column in columns) or "1"
    found = fetch(f'select {listed} from "{table[0]}"."{table[1]}"')
    return Counter(tuple(map(plain, row)) for row in found)


def differences(ours: Fetch, theirs: Fetch, schemas: Sequence[str]) -> list[str]:
    """Name the tables that are not the same, each with a row that differs."""
    tables = columns_of(ours, schemas)
    assert set(tables) == set(columns_of(theirs, schemas))
    found = []
    for table, columns in tables.items():
        here, there = rows(ours, table, columns), rows(theirs, table, columns)
        if here != there:
            only, more = (sorted(map(str, one)) for one in (here - there, there - here))
            found.append(f"{table}: {len(only)} and {len(more)}, {only[:1]} and {more[:1]}")
    return found


def test_every_table_of_the_night_is_the_same(
    on_file: Installation, on_server: tuple[Installation, str]
) -> None:
    with (
        closing(duckdb.connect(on_file.settings.warehouse_path, read_only=True)) as file,
        psycopg.connect(on_server[1]) as server,
    ):
        file.execute("set TimeZone = 'UTC'")
        assert (
            differences(
                lambda query: file.execute(query).fetchall(),
                lambda query: server.execute(query).fetchall(),  # ty: ignore[no-matching-overload]
                SCHEMAS,
            )
            == []
        )


def test_readers_see_the_same(on_file: Installation, on_server: tuple[Installation, str]) -> None:
    published = on_file.settings.published_dir / "lifestage.duckdb"
    with (
        closing(duckdb.connect(published, read_only=True)) as file,
        psycopg.connect(on_server[1]) as server,
    ):
        file.execute("set TimeZone = 'UTC'")
        assert (
            differences(
                lambda query: file.execute(query).fetchall(),
                lambda query: server.execute(query).fetchall(),  # ty: ignore[no-matching-overload]
                (READERS,),
            )
            == []
        )


def test_the_command_line_says_the_same(
    on_file: Installation, on_server: tuple[Installation, str]
) -> None:
    for asked in (("checks", "--all"), ("explain", PERSON), ("plan",)):
        ours, theirs = (shop.lifestage(*asked) for shop in (on_file, on_server[0]))
        assert ours.returncode == theirs.returncode == 0, theirs.stderr
        assert ours.stdout == theirs.stdout


def test_the_report_is_there(on_server: tuple[Installation, str]) -> None:
    page = on_server[0].settings.published_dir / "report.html"
    assert "<html" in page.read_text()


@pytest.mark.large
def test_nothing_stays_of_a_person_who_is_erased(on_server: tuple[Installation, str]) -> None:
    shop, login = on_server
    for asked in (("erase", "--customer", PERSON), ("refresh", "--as-of", LAST_DAY.isoformat())):
        done = shop.lifestage(*asked)
        assert done.returncode == 0, done.stderr
    with psycopg.connect(login) as server:
        tables = server.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables"
            " where schemaname not in ('pg_catalog', 'information_schema')"
        ).fetchall()
        assert len(tables) > 200
        naming = [
            table
            for (table,) in tables
            if server.execute(
                f"select 1 from {table} as one where one::text ~ '\\m{PERSON}\\M' limit 1".encode()
            ).fetchall()
        ]
        assert naming == []
