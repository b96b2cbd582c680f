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
    "customers": (
        Column("customer_id", "id", required=True),
        Column("email", "text"),
        Column("phone", "text"),
        Column("country", "text"),
        Column("region", "text"),
        Column("first_name", "text"),
        Column("last_name", "text"),
        Column("birth_date", "time"),
        Column("gender", "text"),
        Column("consent_email", "text"),
        Column("consent_sms", "text"),
        Column("consent_ads", "text"),
        Column("created_at", "time"),
        Column("updated_at", "time"),
    ),
    "customer_merges": (
        Column("customer_id", "id", required=True),
        Column("merged_into", "id", required=True),
        Column("merged_at", "time"),
    ),
    "consents": (
        Column("customer_id", "id", required=True),
        Column("purpose", "text", required=True),
        Column("channel", "text", required=True),
        Column("status", "text", required=True),
        Column("given_at", "time", required=True),
        Column("expires_at", "time"),
    ),
    "suppressions": (
        Column("type", "text", required=True),
        Column("value", "id", required=True),
        Column("purpose", "text"),
        Column("reason", "text"),
        Column("added_at", "time"),
    ),
    "erasures": (
        Column("type", "text", required=True),
        Column("value", "id", required=True),
        Column("requested_at", "time", required=True),
    ),
    "contacts": (
        Column("customer_id", "id", required=True),
        Column("channel", "text", required=True),
        Column("contacted_at", "time", required=True),
        Column("campaign_id", "id"),
    ),
    "responses": (
        Column("customer_id", "id", required=True),
        Column("kind", "text", required=True),
        Column("responded_at", "time", required=True),
        Column("campaign_id", "id"),
        Column("channel", "text"),
        Column("revenue", "number"),
    ),
    "campaigns": (
        Column("campaign_id", "id", required=True),
        Column("started_on", "time", required=True),
        Column("ended_on", "time", required=True),
        Column("audience", "text"),
        Column("name", "text"),
        Column("cost", "number"),
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
