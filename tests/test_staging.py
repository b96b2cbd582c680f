"""Staging over tables of the warehouse's own users: native types, lines, refunds, merges.

The rules for single rows are in `test_bad_inputs.py` and in the unit tests beside the models.
"""

import random
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from jinja2 import Environment

from orchestration.contract import INPUTS, column_names
from tests.warehouse import REPOSITORY, Warehouse

AS_OF = date(2024, 12, 31)


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Orders with native types, in a business that lives behind UTC."""
    warehouse = Warehouse(tmp_path_factory.mktemp("typed"))
    warehouse.execute(
        "create schema raw",
        """
        create table raw.orders as
        select * from (values
            (1, 10, timestamp '2024-01-05 03:00:00', 10.5, 'Completed', 2.0),
            (2, 10, timestamp '2024-01-06 12:00:00', 20, 'cancelled', null),
            (3, 11, timestamp '2024-01-07 12:00:00', 30, 'refunded', null),
            (4, 11, timestamp '2024-01-08 12:00:00', 40, 'completed', 50),
            (5, null, timestamp '2024-01-08 12:00:00', 50, 'completed', null),
            (6, 12, timestamp '2024-01-09 12:00:00', 60, 'completed', null),
            (6, 12, timestamp '2024-01-10 12:00:00', -15, 'refunded', null),
            (6, 12, timestamp '2024-01-11 12:00:00', -50, 'refunded', null),
            (7, 12, timestamp '2024-01-12 12:00:00', 70, 'mislaid', null),
            (8, 13, timestamp 'infinity', 80, 'completed', null),
            (9, 13, timestamp '2024-01-12 12:00:00', 90, 'completed', null),
            (9, 13, timestamp '2024-01-12 12:00:00', 90, 'completed', null)
        ) as t (order_id, customer_id, ordered_at, amount, status, refunded_amount)
        """,
        "alter table raw.orders alter amount type decimal(18, 4)",
        """
        create table raw.refunds as
        select * from (values
            ('r1', 1, date '2024-02-01', 3.0),
            ('r2', 1, date '2024-02-02', 3.0),
            ('r3', 1, date '2024-02-03', 3.0),
            ('r4', 99, date '2024-02-03', 3.0),
            ('r5', 9, date '2023-02-03', 1.0),
            ('r6', 9, date '2024-02-03', 0.0),
            ('r7', 9, date '2024-02-04', 1.0),
            ('r7', 9, date '2024-02-04', 1.0),
            ('r8', 9, date '2024-02-04', 1.0),
            ('r8', 9, date '2024-02-04', 2.0)
        ) as t (refund_id, order_id, refunded_at, amount)
        """,
        """
        create view raw.customers as
        select * from (values ('c1'), (' c1'), (''), ('c' || chr(8203))) as t (customer_id)
        """,
        """
        create table raw.customer_merges as
        select * from (values
            ('a', 'b', date '2024-01-01'), ('b', 'c', null), ('s', 's', null),
            ('x', 'y', null), ('y', 'z', null), ('z', 'x', null), ('w', 'x', null),
            ('k', 'l', null), ('k', 'm', null), ('d', 'e', null), ('d', 'e', null)
        ) as t (customer_id, merged_into, merged_at)
        """,
    )
    config = warehouse.configure("""
business_timezone: America/New_York
tables: {orders: {source_timezone: UTC}, refunds: , customers: , customer_merges: }
""")
    warehouse.build(config, AS_OF)
    return warehouse


def _column(warehouse: Warehouse, query: str) -> list:
    return [next(iter(row.values())) for row in warehouse.rows(query)]


def test_native_columns_are_orders(typed: Warehouse) -> None:
    orders = typed.rows("""
        select order_id, order_date, ordered_at::varchar, gross_amount, refunded_amount, is_counted
        from staging.stg_shop__orders
        order by order_id, order_date
    """)

    assert [tuple(order.values()) for order in orders] == [
        # Three o'clock in the morning in UTC is still the evening before.
        ("1", date(2024, 1, 4), "2024-01-05 03:00:00", Decimal("10.5"), Decimal(2), True),
        ("2", date(2024, 1, 6), "2024-01-06 12:00:00", Decimal(0), Decimal(0), False),
        ("3", date(2024, 1, 7), "2024-01-07 12:00:00", Decimal(30), Decimal(30), True),
        ("6", date(2024, 1, 9), "2024-01-09 12:00:00", Decimal(60), Decimal(0), True),
        ("6", date(2024, 1, 10), "2024-01-10 12:00:00", Decimal(0), Decimal(15), False),
        ("9", date(2024, 1, 12), "2024-01-12 12:00:00", Decimal(90), Decimal(0), True),
    ]


def test_rows_that_stay_out_have_a_reason(typed: Warehouse) -> None:
    rejected = typed.rows("""
        select source, row_key, column_name, reason_code from staging.rejected_rows
        where source in ('orders', 'refunds')
        order by all
    """)

    assert [tuple(row.values()) for row in rejected] == [
        ("orders", "4", "refunded_amount", "REFUND_EXCEEDS_ORDER"),
        ("orders", "5", "customer_id", "NULL_CUSTOMER"),
        ("orders", "6", "amount", "REFUND_EXCEEDS_ORDER"),
        ("orders", "7", "status", "UNKNOWN_STATUS"),
        ("orders", "8", "ordered_at", "FUTURE_ORDER"),
        ("refunds", "r3", "amount", "REFUND_EXCEEDS_ORDER"),
        ("refunds", "r4", "order_id", "ORPHAN_REFUND"),
        ("refunds", "r6", "amount", "NEGATIVE_AMOUNT"),
        ("refunds", "r8", "amount", "CONFLICTING_DUPLICATE"),
        ("refunds", "r8", "amount", "CONFLICTING_DUPLICATE"),
    ]


def test_refund_is_not_older_than_its_order(typed: Warehouse) -> None:
    refunds = typed.rows("from staging.stg_shop__refunds order by refund_id")

    assert [(refund["refund_id"], refund["refund_date"]) for refund in refunds] == [
        ("r1", date(2024, 2, 1)),
        ("r2", date(2024, 2, 2)),
        ("r5", date(2024, 1, 12)),
        ("r7", date(2024, 2, 4)),
    ]


def test_merges_form_chains_and_no_cycles(typed: Warehouse) -> None:
    merges = typed.rows("from staging.stg_shop__customer_merges order by customer_id")
    reasons = typed.rows("""
        select reason_code, count(*) as n from staging.rejected_rows
        where source = 'customer_merges' group by all order by all
    """)

    assert [tuple(merge.values()) for merge in merges] == [
        ("a", "b", date(2024, 1, 1)),
        ("b", "c", None),
        ("d", "e", None),
        ("w", "x", None),
    ]
    assert [tuple(reason.values()) for reason in reasons] == [
        ("CONFLICTING_MERGE", 2),
        ("MERGE_CYCLE", 3),
        ("SELF_MERGE", 1),
    ]


def test_customers_are_unique_and_named_nowhere(typed: Warehouse) -> None:
    assert _column(typed, "from staging.stg_shop__customers") == ["c1"]
    assert _column(
        typed,
        "select distinct row_key from staging.rejected_rows where source like 'customer%'",
    ) == [None]


def test_intake_of_tables_is_conserved(typed: Warehouse) -> None:
    intake = typed.rows("from staging.order_intake")[0]

    assert intake["received_rows"] == _column(typed, "select count(*) from raw.orders")[0]
    assert (
        intake["accepted_rows"]
        == _column(typed, "select count(*) from staging.stg_shop__orders")[0]
    )
    assert (intake["duplicate_rows"], intake["rejected_rows"]) == (1, 5)
    assert intake["received_amount"] == (
        intake["accepted_amount"] + intake["duplicate_amount"] + intake["rejected_amount"]
    )


def test_lines_become_orders(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    warehouse.put(
        "lines.csv",
        "order_id,customer_id,ordered_at,quantity,unit_price,discount\n"
        "o1,c1,2024-01-05T10:00:00Z,2,1.50,0.5\n"
        "o1,c1,2024-01-05T10:01:00Z,2,1.50,\n"
        "o1,c1,2024-01-05T10:00:00Z,-1,1.50,\n"
        "o2,c1,05/01/2024,1,x,\n"
        "o3,c1,05/01/2024,1,9,\n"
        "o3,c2,05/01/2024,1,9,\n"
        "o4,c2,06/01/2024,3,0.3333,\n"
        "o5,c2,06/01/2024,1,0,\n"
        "o6,test,06/01/2024,1,1,\n",
    )
    config = warehouse.configure("""
feeds:
  order_lines:
    path: lines.csv
    date_formats: ['%d/%m/%Y']
    exclude: [{column: customer_id, equals: test}]
""")
    warehouse.load(config)
    warehouse.build(config, AS_OF)

    orders = warehouse.rows("""
        select order_id, gross_amount, items, is_counted, order_date
        from staging.stg_shop__orders order by order_id
    """)
    intake = warehouse.rows("""
        select source, received_rows, accepted_rows, excluded_rows, rejected_rows,
            received_amount - accepted_amount - excluded_amount - rejected_amount as rest
        from staging.order_intake
    """)

    assert [tuple(order.values()) for order in orders] == [
        ("o1", Decimal("5.5"), 4, True, date(2024, 1, 5)),
        ("o4", Decimal("0.9999"), 3, True, date(2024, 1, 6)),
        ("o5", Decimal(0), 1, False, date(2024, 1, 6)),
    ]
    assert [tuple(row.values()) for row in intake] == [("order_lines", 9, 4, 1, 4, Decimal(0))]
    assert _column(warehouse, "select reason_code from staging.rejected_rows order by line") == [
        "NEGATIVE_AMOUNT",
        "BAD_DECIMAL",
        "CONFLICTING_CUSTOMER",
        "CONFLICTING_CUSTOMER",
    ]


def test_messy_files_are_conserved(tmp_path: Path) -> None:
    draw = random.Random(20240105)
    warehouse = Warehouse(tmp_path)
    money = {"1.00": 1, "2.5": Decimal("2.5"), "-1": -1, "0": 0, " 7 ": 7, "9.10": Decimal("9.1")}
    amounts = [*money, "", "x", "1e3", "3.12345", "NaN", '"1,5"']
    days = ["2024-01-05", "2024-01-05", "2024-02-30", "2025-01-15", "2031-01-01"]
    customers = ["a", "b", "", "test"]
    received: dict[str, tuple[int, Decimal]] = {}
    for number in range(12):
        values = [draw.choice(amounts) for _ in range(draw.randrange(1, 40))]
        rows = [
            f"o{draw.randrange(150)},{draw.choice(customers)},{draw.choice(days)},{value}"
            for value in values
        ]
        warehouse.put(
            f"in/{number}.csv", "\n".join(["order_id,customer_id,ordered_at,amount", *rows]) + "\n"
        )
        total = sum((Decimal(money.get(value, 0)) for value in values), Decimal(0))
        received[f"in/{number}.csv"] = (len(rows), total)
    config = warehouse.configure("""
feeds:
  orders:
    path: in/*.csv
    exclude: [{column: customer_id, equals: test}]
""")
    warehouse.load(config)
    warehouse.build(config, AS_OF)

    intake = warehouse.rows("from staging.order_intake")
    orders = warehouse.rows("""
        select count(*) as n, sum(gross_amount) as amount,
            count(*) filter (where order_date > date '2024-12-31') as held
        from staging.stg_shop__orders
    """)[0]

    assert {
        row["file"]: (row["received_rows"], row["received_amount"]) for row in intake
    } == received
    assert sum(row["accepted_rows"] for row in intake) == orders["n"]
    assert sum(row["accepted_amount"] for row in intake) == orders["amount"]
    assert sum(row["held_rows"] for row in intake) == orders["held"]
    for row in intake:
        for unit in ("rows", "amount"):
            parts = ("accepted", "duplicate", "excluded", "rejected")
            assert row[f"received_{unit}"] == sum(row[f"{part}_{unit}"] for part in parts)
            assert row[f"accepted_{unit}"] >= 0


HASH = "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"
OPTIONAL = {
    "consents": (
        "customer_id,purpose,channel,status,given_at,expires_at",
        *("c1,Ads,Email,grant,2024-01-05T23:30:00Z,2024-06-30", "c1,ads,email,maybe,2024-02-05,"),
        *("c2,ads,sms,GRANT,05.01.2024,", ",ads,sms,GRANT,2024-01-05,"),
    ),
    "suppressions": (
        "type,value,purpose,reason,added_at",
        *(f"EMAIL_SHA256,{HASH.upper()},,complaint,2024-01-05", f"email_sha256,{HASH},ALL,,"),
        *("customer_id, c3 ,marketing,,some day", "phone_sha256,0301234567,,,2024-01-05"),
        *("e-mail,jane@example.com,,,2024-01-05", "customer_id,,,,2024-01-05"),
    ),
    "erasures": (
        "type,value,requested_at",
        *(
            "customer_id,c4,2024-01-05",
            "customer_id,c5,",
            "email_sha256,jane@example.com,2024-01-05",
        ),
    ),
    "contacts": (
        "customer_id,channel,campaign_id,contacted_at",
        *("c1,Email,k1,2024-01-05T10:00:00Z", "c1,email,k1,2024-01-05T10:00:00Z"),
        *("c1,,k1,2024-01-05", "c1,sms,,2024-02-30", "c1,sms,,2025-01-09", "c1,sms,,2031-01-01"),
    ),
    "responses": (
        "customer_id,kind,responded_at,campaign_id,channel,revenue",
        *("c1,Conversion,2024-01-06,k1,email,12.50", "c1,click,2024-01-06,,,"),
        *("c1,glance,2024-01-06,k1,,", "c1,click,2024-01-06,k1,,1e3", "c1,click,2024-01-06,k1,,-1"),
    ),
    "campaigns": (
        "campaign_id,started_on,ended_on,audience,name,cost",
        *("k1,2024-01-01,2024-01-31,winback,Come back,100", "k2,2025-06-01,2025-06-30,,,"),
        *(
            "k3,2024-02-01,2024-01-31,,,",
            "k4,2024-01-01,2024-01-31,,,",
            "k4,2024-01-01,2024-02-01,,,",
        ),
        *(",2024-01-01,2024-01-31,,,", "k2,2025-06-01,2025-06-30,,,"),
    ),
}


@pytest.fixture(scope="module")
def optional(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """What audiences need beside orders, from files with mistakes in them."""
    warehouse = Warehouse(tmp_path_factory.mktemp("optional"))
    warehouse.put("orders.csv", "customer_id,ordered_at,amount\nc1,2024-01-05,1.00\n")
    for name, lines in OPTIONAL.items():
        warehouse.put(f"{name}.csv", "\n".join(lines) + "\n")
    listed = "".join(f"  {name}: {{path: {name}.csv}}\n" for name in ("orders", *OPTIONAL))
    config = warehouse.configure(f"feeds:\n{listed}")
    warehouse.load(config)
    warehouse.build(config, AS_OF)
    return warehouse


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        (
            "consents",
            [
                ("c1", "ads", "email", "DENY", date(2024, 2, 5), None),
                ("c1", "ads", "email", "GRANT", date(2024, 1, 5), date(2024, 6, 30)),
            ],
        ),
        (
            "suppressions",
            [
                ("customer_id", "c3", "marketing", None, date(1900, 1, 1)),
                ("email_sha256", HASH, "all", None, date(1900, 1, 1)),
            ],
        ),
        (
            "erasures",
            [
                ("customer_id", date(2024, 1, 5)),
                ("customer_id", date(1900, 1, 1)),
            ],
        ),
        (
            "contacts",
            [("c1", "email", "k1", date(2024, 1, 5)), ("c1", "sms", None, date(2025, 1, 9))],
        ),
        (
            "responses",
            [
                ("c1", None, None, "click", date(2024, 1, 6), None),
                ("c1", "k1", "email", "conversion", date(2024, 1, 6), Decimal("12.5")),
            ],
        ),
        (
            "campaigns",
            [
                ("k1", "winback", "Come back", date(2024, 1, 1), date(2024, 1, 31), Decimal(100)),
                ("k2", None, None, date(2025, 6, 1), date(2025, 6, 30), None),
            ],
        ),
    ],
)
def test_optional_inputs_are_typed(optional: Warehouse, name: str, rows: list[tuple]) -> None:
    time = "exclude (given_at)" if name == "consents" else ""
    found = optional.rows(f"select * {time} from staging.stg_shop__{name} order by all")

    assert sorted((tuple(row.values()) for row in found), key=repr) == sorted(rows, key=repr)


def test_what_is_wrong_with_optional_rows_is_told_without_their_values(
    optional: Warehouse,
) -> None:
    told = {
        table: [
            tuple(row.values())
            for row in optional.rows(
                f"select source, line, row_key, column_name, reason_code from staging.{table}"
                " order by all"
            )
        ]
        for table in ("rejected_rows", "row_warnings")
    }

    assert told == {
        "rejected_rows": [
            ("campaigns", 4, "k3", "ended_on", "BAD_PERIOD"),
            ("campaigns", 5, "k4", "ended_on", "CONFLICTING_DUPLICATE"),
            ("campaigns", 6, "k4", "ended_on", "CONFLICTING_DUPLICATE"),
            ("campaigns", 7, "", "campaign_id", "NULL_CAMPAIGN"),
            ("consents", 3, None, "status", "BAD_STATUS"),
            ("consents", 4, None, "given_at", "AMBIGUOUS_DATE"),
            ("consents", 5, None, "customer_id", "NULL_CUSTOMER"),
            ("contacts", 4, None, "channel", "NULL_VALUE"),
            ("contacts", 5, None, "contacted_at", "BAD_DATE"),
            ("contacts", 7, None, "contacted_at", "FUTURE_DATE"),
            ("erasures", 4, None, "value", "BAD_HASH"),
            ("responses", 4, None, "kind", "UNKNOWN_KIND"),
            ("responses", 5, None, "revenue", "BAD_DECIMAL"),
            ("responses", 6, None, "revenue", "NEGATIVE_AMOUNT"),
            ("suppressions", 5, None, "value", "BAD_HASH"),
            ("suppressions", 6, None, "type", "UNKNOWN_TYPE"),
            ("suppressions", 7, None, "value", "NULL_VALUE"),
        ],
        "row_warnings": [
            ("consents", 2, None, "purpose", "UNKNOWN_SCOPE"),
            ("erasures", 3, None, "requested_at", "BAD_DATE"),
            ("suppressions", 4, None, "added_at", "BAD_DATE"),
        ],
    }
    kept = optional.rows("select * exclude (source_file) from staging.stg_shop__rows_set_apart")
    people = ("jane", HASH[:8], "030123", "'c1'", "'c2'", "'c3'", "'c4'", "'c5'")
    assert not any(person in repr((told, kept)) for person in people)


def test_optional_rows_are_conserved(optional: Warehouse) -> None:
    apart = {
        row["source"]: row["n"]
        for row in optional.rows("""
            select source, count(*) as n from staging.stg_shop__rows_set_apart
            where outcome != 'held' group by source
        """)
    }
    # An answer whose status cannot be read is rejected, and kept as an objection.
    objections = {"consents": 1}
    for name, lines in OPTIONAL.items():
        kept = optional.rows(f"select count(*) as n from staging.stg_shop__{name}")[0]["n"]
        assert kept + apart[name] - objections.get(name, 0) == len(lines) - 1


def test_native_columns_are_customers(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    warehouse.execute(
        "create schema raw",
        "create table raw.orders as "
        "select 1 as customer_id, date '2024-01-05' as ordered_at, 1::decimal(18, 4) as amount",
        """
        create table raw.customers as
        select * from (values
            (1, 4930123, date '1990-05-01', true, timestamptz '2024-01-05 03:00:00+00'),
            (1, 4930124, date '1990-05-01', false, timestamptz '2024-01-05 04:00:00+00'),
            (2, null, date '2031-05-01', null, null)
        ) as t (customer_id, phone, birth_date, consent_sms, updated_at)
        """,
    )
    config = warehouse.configure("""
business_timezone: America/New_York
tables: {orders: , customers: }
""")
    warehouse.build(config, AS_OF)

    customers = warehouse.rows("""
        select customer_id, phone, birth_date, consent_sms, updated_at
        from staging.stg_shop__customers order by customer_id
    """)
    warnings = warehouse.rows("select column_name, reason_code from staging.row_warnings")

    assert [tuple(customer.values()) for customer in customers] == [
        ("1", "4930124", date(1990, 5, 1), False, datetime(2024, 1, 5, 4)),  # noqa: DTZ001 - UTC
        ("2", None, None, None, None),
    ]
    assert sorted(tuple(warning.values()) for warning in warnings) == [
        ("birth_date", "BAD_BIRTH_DATE"),
        ("phone", "PHONE_NO_COUNTRY"),
    ]


def test_floating_point_money_is_refused(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    warehouse.execute(
        "create schema raw",
        "create table raw.orders as "
        "select 'c' as customer_id, date '2024-01-05' as ordered_at, 1.5::double as amount",
    )
    config = warehouse.configure("tables: {orders: }")

    with pytest.raises(AssertionError, match=r"raw.orders.amount is a floating point number"):
        warehouse.build(config, AS_OF, "base_shop__orders")


def test_fingerprints_hold_every_column_of_the_contract() -> None:
    path = REPOSITORY / "dbt_project" / "models" / "quality" / "quality_input_fingerprints.sql"
    settings = path.read_text().split("{% set present")[0].split("}}", 1)[1]
    seen = Environment(autoescape=False).from_string(settings).make_module().__dict__

    hashed = {
        name: sorted(
            column
            for kinds in (seen["texts"], seen["numbers"], seen["times"])
            for column in kinds.get(name, [])
        )
        for name in seen["texts"]
    }

    assert hashed == {name: sorted(column_names(name)) for name in INPUTS}


def test_sources_are_the_contract() -> None:
    path = REPOSITORY / "dbt_project" / "models" / "staging" / "shop" / "_shop__sources.yml"
    tables = yaml.safe_load(path.read_text())["sources"][0]["tables"]

    listed = {
        table["name"]: tuple(column["name"] for column in table["columns"]) for table in tables
    }
    required = {
        (table["name"], column["name"])
        for table in tables
        for column in table["columns"]
        if column["description"].endswith("Required.")
    }

    assert listed == {name: column_names(name) for name in INPUTS}
    assert required == {
        (name, column.name) for name in INPUTS for column in INPUTS[name] if column.required
    }
