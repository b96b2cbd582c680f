"""Columns that came, went or changed: what is noticed, and what is left alone."""

from pathlib import Path

import pytest

from orchestration.config import Config
from orchestration.input_columns import (
    columns_now,
    known_columns,
    remember_columns,
    schema_problems,
)
from orchestration.warehouse import open_database
from tests.warehouse import Warehouse

FILE = "feeds:\n  orders:\n    path: orders.csv\n"
TABLE = "tables:\n  orders:\n"


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path)


def deliver(warehouse: Warehouse, columns: str, more: str = "") -> Config:
    """Load a file that has these columns."""
    warehouse.put("orders.csv", f"{columns}\n{','.join('1' for _ in columns.split(','))}\n")
    config = warehouse.configure(FILE + more)
    warehouse.load(config)
    return config


def found(warehouse: Warehouse, config: Config) -> list[tuple[str, str]]:
    with open_database(warehouse.settings.warehouse_path, read_only=False) as session:
        problems = schema_problems(columns_now(session, config), known_columns(session), config)
    assert all(problem["source"] == "orders" for problem in problems)
    return [(problem["problem"], problem["column_name"]) for problem in problems]


def publish(warehouse: Warehouse, config: Config) -> None:
    with open_database(warehouse.settings.warehouse_path, read_only=False) as session:
        remember_columns(session, columns_now(session, config))


def test_a_first_file_is_judged_by_the_contract_alone(warehouse: Warehouse) -> None:
    config = deliver(warehouse, "customer_id,ordered_at,amount,colour")
    assert found(warehouse, config) == []


def test_a_new_column_is_noticed_until_it_was_published(warehouse: Warehouse) -> None:
    publish(warehouse, deliver(warehouse, "customer_id,ordered_at,amount"))
    config = deliver(warehouse, "customer_id,ordered_at,amount,colour,items")
    assert found(warehouse, config) == [("extra", "colour")]
    publish(warehouse, config)
    assert found(warehouse, config) == []


def test_a_renamed_column_is_one_too_many_and_one_too_few(warehouse: Warehouse) -> None:
    publish(warehouse, deliver(warehouse, "customer_id,ordered_at,amount,channel"))
    config = deliver(warehouse, "customer_id,ordered_at,amount,chanel")
    assert found(warehouse, config) == [("extra", "chanel"), ("missing", "channel")]
    constants = "    constants: {channel: web}\n"
    config = deliver(warehouse, "customer_id,ordered_at,amount,chanel", constants)
    assert found(warehouse, config) == [("extra", "chanel")]


def test_a_column_that_nobody_reads_may_go(warehouse: Warehouse) -> None:
    publish(warehouse, deliver(warehouse, "customer_id,ordered_at,amount,colour"))
    assert found(warehouse, deliver(warehouse, "customer_id,ordered_at,amount")) == []


def test_a_name_of_a_foreign_file_is_cut_to_a_line(warehouse: Warehouse) -> None:
    publish(warehouse, deliver(warehouse, "customer_id,ordered_at,amount"))
    config = deliver(warehouse, f"customer_id,ordered_at,amount,{'x' * 99}|<b>")
    ((_, name),) = found(warehouse, config)
    assert name == "x" * 60


@pytest.mark.parametrize(
    ("column", "kind", "problems"),
    [
        ("amount", "double", [("retyped", "amount")]),
        ("amount", "timestamp", [("retyped", "amount")]),
        ("ordered_at", "bigint", [("retyped", "ordered_at")]),
        ("amount", "varchar", []),
        ("customer_id", "bigint", []),
        ("ordered_at", "timestamptz", []),
    ],
)
def test_types_of_a_table_must_hold_the_values(
    warehouse: Warehouse, column: str, kind: str, problems: list[tuple[str, str]]
) -> None:
    types = {"customer_id": "varchar", "ordered_at": "date", "amount": "decimal(18, 4)"}
    listed = ", ".join(f"{name} {type_}" for name, type_ in (types | {column: kind}).items())
    warehouse.execute("create schema raw", f"create table raw.orders ({listed})")
    config = warehouse.configure(TABLE)
    assert found(warehouse, config) == problems


def test_a_table_without_a_required_column_is_noticed(warehouse: Warehouse) -> None:
    warehouse.execute("create schema raw", "create table raw.orders (customer_id varchar)")
    config = warehouse.configure(TABLE)
    assert found(warehouse, config) == [("missing", "amount"), ("missing", "ordered_at")]
