"""The loader: what it reads, what it keeps, what it takes away again."""

import codecs
import csv
import gzip
import io
import shutil
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orchestration.feeds import FeedError
from tests.warehouse import Warehouse

HEADER = "customer_id,ordered_at,amount\n"
ROW = "C1,2024-01-05,10.00\n"
GLOB = "feeds: {orders: {path: 'in/*.csv'}}"


def _statuses(warehouse: Warehouse, text: str) -> list[tuple[str, str, int]]:
    report = warehouse.load(warehouse.configure(text))
    return [(file.file, file.status, file.rows) for file in report.files]


def test_tables_mirror_the_files(warehouse: Warehouse) -> None:
    warehouse.put("in/a.csv", HEADER + ROW)
    warehouse.put("in/b.csv", HEADER + ROW + ROW)
    assert _statuses(warehouse, GLOB) == [("in/a.csv", "LOADED", 1), ("in/b.csv", "LOADED", 2)]

    (warehouse.root / "in/a.csv").unlink()
    warehouse.put("in/b.csv", HEADER + ROW + ROW + ROW)
    warehouse.put("in/c.csv", HEADER + ROW + ROW + ROW)
    assert _statuses(warehouse, GLOB) == [
        ("in/b.csv", "LOADED", 3),
        ("in/c.csv", "DUPLICATE_FILE", 0),
        ("in/a.csv", "REMOVED", 1),
    ]

    assert warehouse.rows("select distinct _file from raw.orders") == [{"_file": "in/b.csv"}]
    assert _statuses(warehouse, GLOB)[0] == ("in/b.csv", "ALREADY_LOADED", 3)


def test_settings_of_a_feed_decide_whether_it_is_read_again(warehouse: Warehouse) -> None:
    warehouse.put("in/a.csv", HEADER + ROW)
    _statuses(warehouse, GLOB)

    excluded = "feeds: {orders: {path: 'in/*.csv', exclude: [{column: amount, at_most: 10}]}}"

    assert _statuses(warehouse, excluded) == [("in/a.csv", "LOADED", 1)]
    assert warehouse.rows("select _excluded_by from raw.orders") == [
        {"_excluded_by": "amount at_most 10"}
    ]


def test_feed_that_is_no_longer_configured_is_removed(warehouse: Warehouse) -> None:
    warehouse.put("in/a.csv", HEADER + ROW)
    warehouse.put("c.csv", "customer_id\nC1\n")
    _statuses(warehouse, "feeds: {orders: {path: in/a.csv}, customers: {path: c.csv}}")
    # As those of staging do.
    warehouse.execute("create view raw.reading as select customer_id from raw.customers")

    assert ("c.csv", "REMOVED", 1) in _statuses(warehouse, GLOB)
    tables = warehouse.rows("select table_name as name from information_schema.tables")
    assert {"name": "orders"} in tables
    assert {"name": "customers"} not in tables


def test_one_bad_file_changes_nothing(warehouse: Warehouse) -> None:
    warehouse.put("in/a.csv", HEADER + ROW)
    _statuses(warehouse, GLOB)
    before = warehouse.rows("from raw.orders")
    warehouse.put("in/a.csv", HEADER + ROW + ROW)
    warehouse.put("in/b.csv", HEADER + 'C1,"2024-01-05,10.00\n')

    with pytest.raises(FeedError) as caught:
        _statuses(warehouse, GLOB)

    assert (caught.value.reason, caught.value.file, caught.value.line) == (
        "UNTERMINATED_QUOTE",
        "in/b.csv",
        2,
    )
    assert warehouse.rows("from raw.orders") == before
    assert list(warehouse.settings.home.glob("load-*")) == []


def test_table_of_somebody_else_is_not_touched(warehouse: Warehouse) -> None:
    warehouse.execute("create schema raw", "create table raw.orders as select 1 as customer_id")
    warehouse.put("in/a.csv", HEADER + ROW)

    with pytest.raises(FeedError, match="TABLE_IN_USE"):
        _statuses(warehouse, GLOB)

    assert warehouse.rows("from raw.orders") == [{"customer_id": 1}]


def test_files_of_a_feed_have_the_same_columns(warehouse: Warehouse) -> None:
    warehouse.put("in/a.csv", HEADER + ROW)
    warehouse.put("in/b.csv", "status," + HEADER + "cancelled," + ROW)
    with pytest.raises(FeedError) as caught:
        _statuses(warehouse, GLOB)
    assert (caught.value.reason, caught.value.column) == ("HEADER_MISMATCH", "status")

    constants = "feeds: {orders: {path: 'in/*.csv', constants: {status: completed}}}"

    _statuses(warehouse, constants)
    assert warehouse.rows("select status from raw.orders order by _file") == [
        {"status": "completed"},
        {"status": "cancelled"},
    ]


def test_absent_column_is_null_and_empty_value_is_empty(warehouse: Warehouse) -> None:
    warehouse.put("in/a.csv", "order_id," + HEADER + "," + ROW)
    _statuses(warehouse, "currency: EUR\n" + GLOB)

    assert warehouse.rows("select order_id, status, currency, _line from raw.orders") == [
        {"order_id": "", "status": None, "currency": "EUR", "_line": 2}
    ]


@pytest.mark.parametrize(
    ("name", "content", "more"),
    [
        ("a.csv", codecs.BOM_UTF8 + (HEADER + ROW).encode(), ""),
        ("a.csv.gz", gzip.compress((HEADER + ROW).encode(), mtime=0), ""),
        ("a.csv", (HEADER + ROW).replace(",", ";").encode(), "delimiter: ';'"),
        ("a.csv", (HEADER + ROW).encode("utf-16"), "encoding: utf-16"),
        ("a.csv", (HEADER + ROW).replace("\n", "\r\n").encode(), ""),
        ("a.csv", (HEADER + ROW).rstrip("\n").encode(), ""),
        ("a.dat", (HEADER + ROW).encode(), "format: csv"),
        (
            "a.csv",
            b"id,ordered_at,amount,x\nC1,2024-01-05,10.00,\x00\n",
            "columns: {customer_id: id}",
        ),
    ],
)
def test_ways_to_write_a_file(warehouse: Warehouse, name: str, content: bytes, more: str) -> None:
    warehouse.put(name, content)

    _statuses(warehouse, f"feeds: {{orders: {{path: {name}, {more}}}}}")

    assert warehouse.rows("select customer_id, ordered_at, amount, _problem from raw.orders") == [
        {"customer_id": "C1", "ordered_at": "2024-01-05", "amount": "10.00", "_problem": None}
    ]


@pytest.mark.parametrize(
    ("content", "reason", "line"),
    [
        (b"customer_id,ordered_at,amount\nC1,2024-01-05,\xff\n", "BAD_ENCODING", 2),
        (b'customer_id,ordered_at,amount\nC1,"a"b,1\n', "BAD_QUOTING", 2),
        (b'customer_id,ordered_at,amount\n"a\nb",2024-01-05,1\n"\n', "UNTERMINATED_QUOTE", 4),
        (b"customer_id,customer_id,ordered_at,amount\n", "HEADER_MISMATCH", 1),
        (b"customer_id,ordered_at,amount\rC1,2024-01-05,1\r", "MIXED_NEWLINES", 1),
    ],
)
def test_untrustworthy_file_is_named_with_its_line(
    warehouse: Warehouse, content: bytes, reason: str, line: int
) -> None:
    warehouse.put("in/a.csv", content)

    with pytest.raises(FeedError) as caught:
        _statuses(warehouse, GLOB)

    assert (caught.value.reason, caught.value.line) == (reason, line)


def test_broken_gzip_is_refused(warehouse: Warehouse) -> None:
    warehouse.put("a.csv.gz", gzip.compress((HEADER + ROW).encode())[:-6])

    with pytest.raises(FeedError, match="BAD_COMPRESSION"):
        _statuses(warehouse, "feeds: {orders: {path: a.csv.gz}}")


def test_link_out_of_the_project_is_refused(tmp_path: Path) -> None:
    outside = Warehouse(tmp_path / "elsewhere").put("secret.csv", HEADER + ROW)
    warehouse = Warehouse(tmp_path / "project")
    (warehouse.root / "in").mkdir()
    (warehouse.root / "in/a.csv").symlink_to(outside)

    with pytest.raises(FeedError, match="PATH_OUTSIDE_ROOT"):
        _statuses(warehouse, GLOB)


def test_exclude_rules_say_why(warehouse: Warehouse) -> None:
    rows = ["C1,1,5,x", "C2,1,0,x", "C3,1,5,", "C4,1,5,late", "T5,1,5,x", "C6,1,90,x", "C7,1,a,x"]
    warehouse.put("in/a.csv", "customer_id,ordered_at,amount,note\n" + "\n".join(rows) + "\n")
    _statuses(
        warehouse,
        """
feeds:
  orders:
    path: in/a.csv
    exclude:
      - {column: amount, at_most: 0}
      - {column: note, is_empty: true}
      - {column: note, equals: late}
      - {column: customer_id, matches: '^T[0-9]'}
      - {column: amount, at_least: 90}
""",
    )

    found = warehouse.rows("select customer_id, _excluded_by from raw.orders order by customer_id")

    assert {row["customer_id"]: row["_excluded_by"] for row in found} == {
        "C1": None,
        "C2": "amount at_most 0",
        "C3": "note is_empty",
        "C4": "note equals late",
        "C6": "amount at_least 90",
        "C7": None,
        "T5": "customer_id matches ^T[0-9]",
    }


def test_parquet_is_read_as_the_text_of_a_file(warehouse: Warehouse) -> None:
    duckdb.execute(f"""
        copy (
            select 7 as customer_id, timestamp '2024-01-05 10:00:00.5' as ordered_at,
                cast('12.5' as decimal(10, 2)) as amount, null::varchar as status
            union all
            select 8, timestamp '2024-01-06', 1, 'completed'
        ) to '{warehouse.root / "a.parquet"}'
    """)
    _statuses(warehouse, "feeds: {orders: {path: a.parquet}}")

    columns = "customer_id, ordered_at, amount, status, order_id, _line"
    assert warehouse.rows(f"select {columns} from raw.orders where _line = 1") == [
        {
            "customer_id": "7",
            "ordered_at": "2024-01-05T10:00:00.500000",
            "amount": "12.50",
            "status": "",
            "order_id": None,
            "_line": 1,
        }
    ]


def test_floats_are_taken_when_they_are_exact(warehouse: Warehouse) -> None:
    duckdb.execute(f"""
        copy (
            select * from (values
                (1::double, '2024-01-05', 2.55::double), (2, '2024-01-05', 0.1::double + 0.2),
                (3, '2024-01-05', 'nan'::double)
            ) as t (customer_id, ordered_at, amount)
        ) to '{warehouse.root / "a.parquet"}'
    """)
    _statuses(warehouse, "feeds: {orders: {path: a.parquet, exact_floats: true}}")

    found = warehouse.rows(
        "select amount, _problem, _problem_column from raw.orders order by _line"
    )

    assert [tuple(row.values()) for row in found] == [
        ("2.5500", None, None),
        ("0.3000", "TOO_MANY_DECIMALS", "amount"),
        ("nan", None, None),
    ]


CELL = st.text(
    st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=6
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(st.tuples(CELL, CELL, CELL), max_size=6))
@example(rows=[("\x1e", "NULL", "null"), ("0", "\x1f", "\x1e")])
def test_any_text_arrives_as_it_was_written(
    tmp_path: Path, rows: list[tuple[str, str, str]]
) -> None:
    shutil.rmtree(tmp_path)
    warehouse = Warehouse(tmp_path)
    written = io.StringIO(newline="")
    writer = csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(["customer_id", "ordered_at", "amount"])
    writer.writerows(rows)
    warehouse.put("in/a.csv", written.getvalue())

    _statuses(warehouse, GLOB)

    found = warehouse.rows("select customer_id, ordered_at, amount from raw.orders order by _line")
    assert [tuple(row.values()) for row in found] == rows
