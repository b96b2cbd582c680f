"""The input contract: which inputs exist, their columns and what each column holds.

Only facts live here. The loader (`orchestration.feeds`) and the configuration
(`orchestration.config`) read them; the dbt sources in `models/staging/shop` repeat them for SQL,
and a test compares the two.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["id", "text", "number", "time"]


@dataclass(frozen=True)
class Column:
    """One contract column of an input."""

    name: str
    kind: Kind
    required: bool = False


INPUTS: dict[str, tuple[Column, ...]] = {
    "orders": (
        Column("order_id", "id"),
        Column("customer_id", "id", required=True),
        Column("ordered_at", "time", required=True),
        Column("amount", "number", required=True),
        Column("status", "text"),
        Column("currency", "text"),
        Column("refunded_amount", "number"),
        Column("cost", "number"),
        Column("items", "number"),
        Column("channel", "text"),
        Column("updated_at", "time"),
    ),
    "order_lines": (
        Column("order_id", "id", required=True),
        Column("customer_id", "id", required=True),
        Column("ordered_at", "time", required=True),
        Column("quantity", "number", required=True),
        Column("unit_price", "number", required=True),
        Column("discount", "number"),
        Column("product_id", "text"),
        Column("category", "text"),
    ),
    "refunds": (
        Column("refund_id", "id"),
        Column("order_id", "id", required=True),
        Column("refunded_at", "time", required=True),
        Column("amount", "number", required=True),
    ),
    "customers": (Column("customer_id", "id", required=True),),
    "customer_merges": (
        Column("customer_id", "id", required=True),
        Column("merged_into", "id", required=True),
        Column("merged_at", "time"),
    ),
}

# What the loader adds to every row of a feed.
META_COLUMNS: tuple[tuple[str, str], ...] = (
    ("_file", "varchar"),
    ("_line", "bigint"),
    ("_load_id", "varchar"),
    ("_excluded_by", "varchar"),
    ("_problem", "varchar"),
    ("_problem_column", "varchar"),
)


def column_names(input_name: str) -> tuple[str, ...]:
    """Return the contract columns of an input in their fixed order."""
    return tuple(column.name for column in INPUTS[input_name])
