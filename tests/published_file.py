"""A made-up published database with every table that readers get, built in a moment.

A shop of six hundred customers over a year. Its names, texts and checks are invented; what the
tables mean is in the descriptions of the marts and of the tables of record.
"""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb

from tests import published_audiences

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

AS_OF = date(2026, 6, 30)
SEGMENTS = {
    "champions": ("Champions", 6, 0.14, 1400),
    "loyal_customers": ("Loyal customers", 5, 0.12, 620),
    "at_risk": ("At risk", 4, 0.08, 540),
    "potential_loyalists": ("Potential loyalists", 3, 0.34, 210),
    "new_customers": ("New customers", 3, 0.07, 60),
    "cant_lose_them": ("Can't lose them", 2, 0.05, 900),
    "hibernating": ("Hibernating", 1, 0.20, 90),
}
SCORES = {
    "champions": ((4, 5), (4, 5)),
    "loyal_customers": ((3, 4), (4, 5)),
    "at_risk": ((2, 2), (4, 5)),
    "potential_loyalists": ((2, 5), (1, 3)),
    "new_customers": ((5, 5), (1, 1)),
    "cant_lose_them": ((1, 1), (3, 5)),
    "hibernating": ((1, 1), (1, 3)),
}
STAGES = ("prospect", "new", "active", "at_risk", "dormant", "lost", "reactivated")
CAUSES = (
    *("bought", "aged", "window_exit", "recalibrated", "rules_changed", "corrected", "merged"),
)
FALLS = {
    "champions": "loyal_customers",
    "loyal_customers": "at_risk",
    "at_risk": "cant_lose_them",
    "potential_loyalists": "hibernating",
    "new_customers": "potential_loyalists",
}
TEXT = "What is said to them, in one sentence that is long enough to wrap."

TABLES = {
    "customers": "customer_id varchar, as_of_date date, last_order_date date,"
    " days_since_last_order integer, orders integer, monetary decimal(18,4), r_score integer,"
    " f_score integer, m_score integer, segment varchar, next_segment varchar,"
    " next_segment_on date, lifecycle_stage varchar",
    "segment_daily_metrics": "date_day date, segment varchar, customers bigint,"
    " customer_share decimal(18,6), orders bigint, revenue decimal(18,4)",
    "segment_movement": "period varchar, period_start date, period_end date, is_complete boolean,"
    " customers_at_start bigint, customers_moved bigint, share_moved decimal(18,6),"
    + "".join(f" moved_{cause} bigint," for cause in CAUSES)
    + " customers_joined bigint, customers_left bigint, shorrocks_mobility decimal(18,6)",
    "segment_migrations": "period varchar, period_start date, period_end date,"
    " from_segment varchar, to_segment varchar, cause varchar, customers bigint,"
    " monetary decimal(18,4), share_of_from decimal(18,6)",
    "segment_profiles": "date_day date, segment varchar, label varchar, description varchar,"
    " average_days_since_last_order decimal(18,4), average_orders decimal(18,4),"
    " average_order_value decimal(18,4), customers bigint, customer_share decimal(18,6),"
    " revenue_28_days decimal(18,4), revenue_28_days_share decimal(18,6),"
    " revenue_growth decimal(18,6), needs varchar, channel varchar, order_channel varchar,"
    " order_channel_share decimal(18,6), content varchar, objections varchar, messaging varchar,"
    " action varchar, objective varchar",
    "segment_performance": "period_start date, period_end date, segment varchar, rank integer,"
    " customers_at_start bigint, buyers bigint, conversion_rate decimal(18,6), orders bigint,"
    " revenue decimal(18,4), average_order_value decimal(18,4), retention_rate decimal(18,6),"
    " repeat_rate decimal(18,6), top_20_share decimal(18,6),"
    " average_lifetime_revenue decimal(18,4), revenue_growth decimal(18,6),"
    " revenue_growth_year decimal(18,6)",
    "segment_definitions": "kind varchar, name varchar, rank integer, label varchar,"
    " description varchar, definition varchar, purpose varchar, action varchar, channel varchar",
    "order_intake": "source varchar, file varchar, received_rows bigint, accepted_rows bigint,"
    " duplicate_rows bigint, excluded_rows bigint, rejected_rows bigint, held_rows bigint",
    "check_results": "as_of_date date, check_id varchar, check_name varchar, title varchar,"
    " subject varchar, value double, warn_threshold double, error_threshold double,"
    " status varchar, is_required boolean, blocks varchar, message varchar, remedy varchar",
    "segment_verdicts": "as_of_date date, segment varchar, criterion varchar, value double,"
    " threshold double, verdict varchar, advice varchar",
    "publication_status": "as_of_date date, generation varchar, verdict varchar,"
    " approved_checks varchar, is_held boolean, held_since date, held_as_of date, held_by varchar,"
    " held_reason varchar, days_behind integer",
    "manifest": "generation varchar, as_of_date date, table_name varchar, row_count bigint",
    **published_audiences.TABLES,
}
OLD_TABLES = ("customers", "segment_daily_metrics", "order_intake", "manifest")


def build(
    path: Path,
    *,
    tables: Sequence[str] = tuple(TABLES),
    empty: Sequence[str] = (),
    hostile: str = "",
    held: bool = False,
    extra_sql: str = "",
) -> Path:
    """Write a published file.

    Args:
        path: Where to.
        tables: The tables that it has.
        empty: Those of them that have no rows.
        hostile: Put into every text that a person or a feed may write.
        held: Whether newer tables were refused.
        extra_sql: Run at the end.
    """
    rows = _rows(random.Random(7), hostile, held=held)
    with duckdb.connect(path) as connection:
        connection.execute("create schema published")
        for name in tables:
            connection.execute(f"create table published.{name} ({TABLES[name]})")
            if rows[name] and name not in empty:
                places = ", ".join(
                    ["(" + ", ".join("?" for _ in rows[name][0]) + ")"] * len(rows[name])
                )
                connection.execute(
                    f"insert into published.{name} values {places}",
                    [value for row in rows[name] for value in row],
                )
        if extra_sql:
            connection.execute(extra_sql)
    return path


def _rows(dice: random.Random, hostile: str, *, held: bool) -> dict[str, list[Any]]:
    days = [AS_OF - timedelta(days=back) for back in range(364, -1, -1)]
    months = [date(2025 + (6 + back) // 12, (6 + back) % 12 + 1, 1) for back in range(12)]
    held_columns = (
        (
            True,
            date(2026, 7, 1),
            date(2026, 7, 2),
            "volume_weekday",
            f"orders are missing{hostile}",
            2,
        )
        if held
        else (False, None, None, None, None, 0)
    )
    return {
        "customers": _customers(dice),
        "segment_daily_metrics": _daily(dice, days),
        "segment_movement": _movement(dice, months),
        "segment_migrations": _migrations(months[-1]),
        "segment_profiles": [
            (
                *(AS_OF, name, label + hostile, f"Who they are{hostile}", 20, 3.5, 70, 50, share),
                *(Decimal(worth), share, 0.034 if rank > 2 else None, TEXT + hostile, "email"),
                *("shop", 0.62, TEXT, TEXT, TEXT, f"Do something{hostile}", TEXT),
            )
            for name, (label, rank, share, worth) in SEGMENTS.items()
        ],
        "segment_performance": _performance(dice, months),
        "segment_definitions": [
            (
                *("segment", name, rank, label + hostile, f"Who{hostile}", "recency 4 to 5"),
                *("Decides something.", f"Do something{hostile}", "email"),
            )
            for name, (label, rank, _, _) in SEGMENTS.items()
        ]
        + [
            (
                *("stage", name, place, name.replace("_", " ").capitalize(), None, "30 days"),
                *("Decides something.", "Do something", "email"),
            )
            for place, name in enumerate(STAGES, start=1)
        ],
        "order_intake": [(f"orders{hostile}", "orders.csv", 12000, 11900, 40, 50, 10, 0)],
        "check_results": _checks(hostile),
        "segment_verdicts": [
            (AS_OF, name, criterion, 0.42, 0.1, verdict, f"Merge it with another{hostile}.")
            for name in SEGMENTS
            for criterion, verdict in (
                *(("measurable", "pass"), ("accessible", "unknown"), ("substantial", "pass")),
                ("differentiable", "fail" if name == "at_risk" else "pass"),
                *(("homogeneous", "pass"), ("actionable", "pass")),
                ("stable", "warn" if name == "new_customers" else "pass"),
            )
        ],
        "publication_status": [(AS_OF, "0123456789abcdef", "warn", None, *held_columns)],
        "manifest": [("0123456789abcdef", AS_OF, "customers", 600)],
        **published_audiences.rows(AS_OF, hostile),
    }


def _customers(dice: random.Random) -> list[Any]:
    rows: list[Any] = []
    for name, (_, _, share, worth) in SEGMENTS.items():
        for _ in range(round(600 * share)):
            (r_low, r_high), (f_low, f_high) = SCORES[name]
            r_score, f_score = dice.randint(r_low, r_high), dice.randint(f_low, f_high)
            silent = (6 - r_score) * 35 - dice.randint(0, 30)
            steps = name in FALLS and dice.random() < 0.3
            rows.append(
                (
                    *(f"c{len(rows):04}", AS_OF, AS_OF - timedelta(days=silent), silent),
                    *(f_score * 2, Decimal(round(worth * dice.uniform(40, 180))) / 100),
                    *(r_score, f_score, 3, name, FALLS.get(name) if steps else None),
                    AS_OF + timedelta(days=dice.randint(1, 20)) if steps else None,
                    "active" if silent < 61 else "at_risk" if silent < 91 else "dormant",
                )
            )
    prospects = [
        (f"p{place}", AS_OF, None, None, 0, 0, None, None, None, None, None, None, "prospect")
        for place in range(12)
    ]
    return rows + prospects


def _daily(dice: random.Random, days: Sequence[date]) -> list[Any]:
    return [
        (
            *(day, name, round(600 * share * (0.4 + 0.6 * place / 364)), share),
            *(dice.randint(0, 9), Decimal(dice.randint(0, worth))),
        )
        for place, day in enumerate(days)
        for name, (_, _, share, worth) in SEGMENTS.items()
    ]


def _movement(dice: random.Random, months: Sequence[date]) -> list[Any]:
    rows = []
    for start in months:
        end = (start + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        moved = [dice.randint(40, 70), dice.randint(50, 90), 0, 0, 0, 3, 0]
        if start.month in {1, 4}:
            moved[3] = dice.randint(30, 60)
        share = Decimal(sum(moved)) / 600
        rows.append(("month", start, end, True, 600, sum(moved), share, *moved, 20, 0, 0.4))
    return rows


def _migrations(month: date) -> list[Any]:
    rows: list[Any] = [
        ("month", month, AS_OF, name, name, None, round(400 * share), 1000, 0.8)
        for name, (_, _, share, _) in SEGMENTS.items()
    ]
    rows += [("month", month, AS_OF, *pair, "aged", 20, 2000, 0.1) for pair in FALLS.items()]
    rows += [
        ("month", month, AS_OF, "hibernating", "potential_loyalists", "bought", 12, 900, 0.1),
        ("month", month, AS_OF, "loyal_customers", "champions", "bought", 17, 9000, 0.2),
        ("month", month, AS_OF, None, "new_customers", "bought", 20, 700, None),
    ]
    return rows


def _performance(dice: random.Random, months: Sequence[date]) -> list[Any]:
    rows: list[Any] = []
    for start in months:
        end = (start + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        revenues = {
            name: Decimal(dice.randint(worth * 4, worth * 9))
            for name, (_, _, _, worth) in SEGMENTS.items()
        }
        for name, (_, rank, _, _) in SEGMENTS.items():
            rows.append(
                (
                    *(start, end, name, rank, 80, 30, 0.375, 44, revenues[name], 61, 0.4),
                    *(0.9, 0.5, 310, 0.021, None),
                )
            )
        rows.append(
            (
                *(start, end, "all", None, 600, 210, 0.35, 320, sum(revenues.values()) + 900, 66),
                *(0.4, 0.6, 0.58, 290, -0.017, 0.12),
            )
        )
    return rows


# Number, name, title, what it holds, and its status so many days before the last one.
CHECKS: tuple[tuple[int, str, str, str, dict[int, str]], ...] = (
    (1, "source_freshness", "Orders are fresh", "publication", {}),
    (2, "volume_weekday", "Orders of a normal day", "publication", {}),
    (
        10,
        "feature_psi",
        "No drift since the limits were made",
        "activation",
        {0: "warn", 9: "warn"},
    ),
    (30, "churn_30d", "Few change segment", "activation", {0: "error", 12: "error"}),
)


def _checks(hostile: str) -> list[Any]:
    found: list[Any] = []
    for back in range(40):
        day = AS_OF - timedelta(days=back)
        for number, name, title, blocks, statuses in CHECKS:
            value = number / 10
            found.append(
                (
                    *(day, f"C{number:02}", name, title, f"orders{hostile}", value, 1.0, 2.0),
                    *(statuses.get(back, "pass"), False, blocks),
                    f"{title}: the value is {value} where 1.0 is the limit{hostile}.",
                    f"Ask who sends the orders whether a file is missing{hostile}.",
                )
            )
        found.append(
            (
                *(day, "C43", "response_difference", "Segments differ", "all", None, None, None),
                *("insufficient_data", False, "none", "Too few orders to tell.", "Wait."),
            )
        )
    return found
