"""Every known kind of bad input has the outcome that is wanted for it.

`fixtures/bad_inputs.jsonl` holds one case a line. Cases about rows are files of a feed of orders
or of customers, loaded and staged once; cases about whole files and about the configuration are
tried one by one.
"""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from orchestration.config import ConfigError, check_as_of, parse_config
from orchestration.contract import INPUTS
from orchestration.feeds import FeedError
from orchestration.measures.rules import lint_rules
from orchestration.rules import read_rules
from tests.warehouse import REPOSITORY, Warehouse

AS_OF = date(2024, 12, 31)
CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "fixtures" / "bad_inputs.jsonl").read_text().splitlines()
]
FEED = """
business_timezone: America/New_York
history_start: 2024-01-01
feeds:
  orders:
    path: {path}
    columns: {{ordered_at: order_ts}}
    constants: {{updated_at: ""}}
"""
CUSTOMER_FEED = """
  customers:
    path: {path}
    columns: {{first_name: name}}
    constants:
      {{email: "", phone: "", country: "", first_name: "", birth_date: "", consent_ads: ""}}
"""
GOOD_ROW = {
    "customer_id": "GOOD",
    "order_ts": "2024-01-05T10:00:00Z",
    "amount": "10.00",
    "currency": "USD",
    "status": "completed",
    "updated_at": "",
}


def _cases(kind: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in CASES if case["kind"] == kind]


def _bytes(case: dict) -> bytes:
    return case["content"].encode(case.get("encoding", "utf-8"))


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """All cases about rows, each with a good last row beside it, loaded and staged once."""
    warehouse = Warehouse(tmp_path_factory.mktemp("rows"))
    for case in (case for case in CASES if case["kind"] == "rows"):
        header = case["content"].splitlines()[0].split(",")
        good = GOOD_ROW | {"order_id": f"good-{case['id']}"}
        text = case["content"] + ",".join(good[name] for name in header) + "\n"
        warehouse.put(f"in/{case['id']}.csv", text)
    for case in (case for case in CASES if case["kind"] == "customers"):
        commas = case["content"].splitlines()[0].count(",")
        good = f"good-{case['id']}{',' * commas}\n"
        warehouse.put(f"customers/{case['id']}.csv", case["content"] + good)
    config = warehouse.configure(
        FEED.format(path="in/*.csv") + CUSTOMER_FEED.format(path="customers/*.csv")
    )
    warehouse.load(config)
    warehouse.build(config, AS_OF)
    return warehouse


@pytest.mark.parametrize("case", _cases("rows"))
def test_row_has_its_outcome(staged: Warehouse, case: dict) -> None:
    file = f"in/{case['id']}.csv"
    rejected = staged.rows(
        f"select line, column_name, reason_code from staging.rejected_rows where file = '{file}'"
    )
    orders = staged.rows(
        "select * from staging.stg_shop__orders "
        f"where order_id like '{case['id']}-%' order by order_id"
    )
    intake = staged.rows(f"select * from staging.order_intake where file = '{file}'")[0]

    assert staged.rows(f"from staging.stg_shop__orders where order_id = 'good-{case['id']}'")
    if case["outcome"] == "QUARANTINE":
        found = [(row["line"], row["column_name"], row["reason_code"]) for row in rejected]
        assert (case["line"], case["column"] or "", case["reason"]) in found
        assert {reason for _, _, reason in found} == {case["reason"]}
    else:
        assert rejected == []
    wanted = case.get("accepted", [])
    assert len(orders) == len(wanted)
    for order, values in zip(orders, wanted, strict=True):
        assert {key: _shown(order[key]) for key in values} == values
    if case["outcome"] == "DEDUP":
        assert intake["duplicate_rows"] == 1
    assert intake["held_rows"] == (1 if case["reason"] == "HELD" else 0)


@pytest.mark.parametrize("case", _cases("customers"))
def test_row_of_a_customer_has_its_outcome(staged: Warehouse, case: dict) -> None:
    found = {
        table: staged.rows(
            f"select line, column_name, reason_code from staging.{table}"
            f" where file = 'customers/{case['id']}.csv'"
        )
        for table in ("rejected_rows", "row_warnings")
    }
    customers = staged.rows(
        f"from staging.stg_shop__customers where customer_id like '{case['id']}-%'"
    )
    good = staged.rows(f"from staging.stg_shop__customers where customer_id = 'good-{case['id']}'")
    told = [{"line": case.get("line"), "column_name": case.get("column")}]
    told[0]["reason_code"] = case["reason"]

    assert len(good) == 1
    assert found["rejected_rows"] == (told if case["outcome"] == "QUARANTINE" else [])
    assert found["row_warnings"] == (told if case["outcome"] == "ACCEPT_WARN" else [])
    wanted = case.get("accepted", [])
    assert len(customers) == len(wanted)
    for customer, values in zip(customers, wanted, strict=True):
        assert {key: customer[key] for key in values} == values


def test_absent_inputs_are_empty(staged: Warehouse) -> None:
    absent = INPUTS.keys() - {"orders", "order_lines", "customers"}

    assert {name: staged.rows(f"from staging.stg_shop__{name}") for name in absent} == {
        name: [] for name in absent
    }


def _shown(value: object) -> object:
    return value if isinstance(value, bool) else str(value)


def test_rows_and_money_are_conserved(staged: Warehouse) -> None:
    intake = staged.rows("""
        select
            sum(received_rows) as received_rows, sum(accepted_rows) as accepted_rows,
            sum(accepted_amount) as accepted_amount, bool_and(
                received_amount
                = accepted_amount + duplicate_amount + excluded_amount + rejected_amount
            ) as is_balanced
        from staging.order_intake
    """)[0]
    orders = staged.rows("""
        select count(*) as orders, sum(gross_amount) - 5 as amount
        from staging.stg_shop__orders
    """)[0]
    loaded = staged.rows("select count(*) as n from raw.orders")[0]["n"]

    assert intake["is_balanced"]
    assert intake["received_rows"] == loaded
    assert intake["accepted_rows"] == orders["orders"]
    # The one row that pays money back is in the intake as -5.00.
    assert intake["accepted_amount"] == orders["amount"]


@pytest.mark.parametrize("case", _cases("file"))
def test_file_is_refused_in_one_line(tmp_path: Path, case: dict) -> None:
    warehouse = Warehouse(tmp_path)
    path = "in/*.csv" if case["id"] == "F24" else "in/orders.csv"
    feeds = FEED
    if case.get("feed") == "customers":
        warehouse.put("in/good.csv", "customer_id,order_ts,amount\nC1,2024-01-05,1.00\n")
        feeds = FEED.replace("{path}", "in/good.csv") + CUSTOMER_FEED
        path = "in/customers.csv"
    if case["id"] == "F25":
        path = "in/orders.parquet"
        (tmp_path / "in").mkdir()
        duckdb.execute(
            "copy (select 'a' as customer_id, date '2024-01-05' as order_ts, 1.5::double as amount)"
            f" to '{tmp_path / path}'"
        )
    elif case["id"] not in ("F03", "F24"):
        warehouse.put(path, _bytes(case))
    config = warehouse.configure(feeds.format(path=path))

    with pytest.raises(FeedError) as caught:
        warehouse.load(config)

    error = caught.value
    assert error.reason == case["reason"]
    assert error.file == path
    assert error.column == case["column"]
    if case["line"] is not None:
        assert error.line == case["line"]
    _assert_tells_nothing(str(error), case["content"])
    assert warehouse.rows("from duckdb_tables() where schema_name = 'raw'") == []


@pytest.mark.parametrize("case", _cases("reload"))
def test_same_bytes_change_nothing(tmp_path: Path, case: dict) -> None:
    warehouse = Warehouse(tmp_path)
    warehouse.put("in/orders.csv", _bytes(case))
    config = warehouse.configure(FEED.format(path="in/orders.csv"))
    first = warehouse.load(config).files
    before = warehouse.rows("from raw.orders")

    second = warehouse.load(config).files

    assert [file.status for file in second] == [case["reason"]]
    assert [file.sha256 for file in second] == [file.sha256 for file in first]
    assert warehouse.rows("from raw.orders") == before


@pytest.mark.parametrize("case", _cases("config"))
def test_configuration_is_refused_in_one_line(tmp_path: Path, case: dict) -> None:
    if case["reason"] == "RULE_GAP":
        assert "RULE_GAP" in _checks_without_cell((3, 1, 5))
        return
    with pytest.raises(ConfigError) as caught:
        _configure(case["content"], tmp_path)

    assert caught.value.reason == case["reason"]
    assert "\n" not in str(caught.value)
    for value in ("hunter2", "or 1=1", "Phobos", "drop schema", "passwd"):
        assert value not in str(caught.value)


def _configure(text: str, root: Path) -> None:
    config = parse_config(yaml.safe_load(text), root)
    check_as_of(config.as_of or AS_OF, AS_OF)


def _checks_without_cell(cell: tuple[int, int, int]) -> list[str]:
    """Lint the default rules as if no rule held a cell."""
    book = read_rules(REPOSITORY / "seeds" / "rules")
    rules = tuple(rule for rule in book.segment_rules if not rule.holds(cell))
    return [found.check for found in lint_rules(replace(book, segment_rules=rules), ["default"])]


def _assert_tells_nothing(message: str, content: str) -> None:
    """No value of a row may stand in a message that ends in a log."""
    assert "\n" not in message
    rows = content.replace("\r", "\n").splitlines()[1:]
    for value in (value for row in rows for value in row.split(",")):
        assert len(value) < 4 or value not in message
