"""A healthy night, made by hand: the aggregates of a shop in which nothing is wrong.

Tests change one table and look at what the checks say.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.measures.night import Night, judge_night
from orchestration.rules import read_thresholds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestration.measures.checks import Definition, Result

RULES_DIR = Path(__file__).parents[1] / "seeds" / "rules"
DEFINITIONS = read_thresholds(RULES_DIR)
# A Tuesday.
AS_OF = date(2026, 6, 30)
HISTORY_DAYS = 500
SEGMENTS = {
    "champions": (6, 600),
    "loyal_customers": (5, 700),
    "at_risk": (4, 500),
    "potential_loyalists": (3, 1200),
    "new_customers": (2, 400),
    "hibernating": (1, 900),
}
CUSTOMERS = sum(size for _, size in SEGMENTS.values())
CAUSES = ("bought", "aged", "window_exit", "recalibrated", "rules_changed", "corrected", "merged")
WEEKDAY_ORDERS = (100, 104, 98, 110, 130, 150, 120)

Row = dict[str, Any]
Table = list[Row]


def day(back: int) -> date:
    return AS_OF - timedelta(days=back)


def counts(series: str, subject: str, count: Callable[[date], int | None]) -> Table:
    return [
        {"series": series, "subject": subject, "date_day": day(back), "value": count(day(back))}
        for back in range(HISTORY_DAYS, -1, -1)
    ]


def usual_orders(when: date) -> int:
    """Orders of a weekday, with a little noise that repeats after eleven days."""
    return WEEKDAY_ORDERS[when.weekday()] + (when.toordinal() * 7) % 11 - 5


def transitions(leaving: float = 0.3, *, horizon_days: int = 30, blocks: int = 7) -> Table:
    """Movement in which a share leaves each segment, evenly to the two next in order."""
    names = list(SEGMENTS)
    rows = []
    for block in range(blocks):
        for place, (segment, (_, size)) in enumerate(SEGMENTS.items()):
            gone = round(size * leaving / 2)
            targets = [
                (segment, size - 2 * gone),
                *((names[(place + step) % len(names)], gone) for step in (1, 2)),
            ]
            rows += [
                {
                    "horizon_days": horizon_days,
                    "block": block,
                    "block_start": day(horizon_days * (block + 1)),
                    "block_end": day(horizon_days * block),
                    "from_segment": segment,
                    "to_segment": target,
                    "customers": customers,
                }
                for target, customers in targets
                if customers
            ]
    return rows


def causes(horizon_days: int, **customers: int) -> Table:
    return [
        {
            "horizon_days": horizon_days,
            "cause": cause,
            "customers": customers.get(cause, 0),
            "customers_at_start": CUSTOMERS,
        }
        for cause in CAUSES
    ]


def bins(feature: str, comparison: str, reference: Sequence[int], current: Sequence[int]) -> Table:
    return [
        {
            "feature": feature,
            "comparison": comparison,
            "bin": place,
            "bin_label": f"edge {place}",
            "reference_count": before,
            "current_count": now,
        }
        for place, (before, now) in enumerate(zip(reference, current, strict=True))
    ]


def location(feature: str, comparison: str, **changes: float | None) -> Row:
    row: Row = {"feature": feature, "comparison": comparison}
    for side in ("reference", "current"):
        row |= {
            f"{side}_count": 1000,
            f"{side}_median": 50.0,
            f"{side}_mean": 60.0,
            f"{side}_stddev": 30.0,
        }
    return row | {"reference_mad": 15.0} | changes


def healthy_tables() -> dict[str, Table]:
    names = list(SEGMENTS)
    return {
        "source_arrivals": [
            {
                "source": "orders",
                "row_count": 60_000,
                "newest_at": datetime.combine(AS_OF, time(21, 40)),
            },
            {"source": "refunds", "row_count": 900, "newest_at": datetime.combine(day(3), time())},
        ],
        "daily_series": [
            *counts("orders", "all", usual_orders),
            *counts("new_customers", "all", lambda when: usual_orders(when) // 4),
            *counts("channel_orders", "web", lambda when: usual_orders(when) // 2),
        ],
        "calendar_days": [],
        "intake": [
            {
                "source": "orders",
                "file": "orders.csv",
                "received_rows": 60_100,
                "accepted_rows": 60_000,
                "duplicate_rows": 0,
                "conflicting_rows": 0,
                "null_key_rows": 0,
                "excluded_rows": 0,
                "rejected_rows": 100,
                "held_rows": 0,
            }
        ],
        "schema_problems": [],
        "conservation": [
            {
                "identity": identity,
                "left_value": Decimal("1234.5600"),
                "right_value": Decimal("1234.56"),
            }
            for identity in ("orders_rows", "orders_money", "timeline_money")
        ],
        "late_arrivals": [{"arrived_orders": 120, "late_orders": 1}],
        "drift_bins": [
            row
            for feature, comparison in (
                ("recency", "scorecard"),
                ("frequency", "scorecard"),
                ("monetary", "scorecard"),
                ("order_value", "flow"),
                ("channel", "flow"),
            )
            for row in bins(feature, comparison, [100] * 10, [104, 96] * 5)
        ],
        "drift_locations": [
            location("recency", "scorecard"),
            location("frequency", "scorecard"),
            location("monetary", "scorecard"),
            location("order_value", "flow"),
            location("order_value", "day", current_count=100),
        ],
        "nulls": [
            {
                "column_name": "channel",
                "reference_rows": 3000,
                "reference_nulls": 30,
                "current_rows": 3000,
                "current_nulls": 33,
            }
        ],
        "transitions": [
            *transitions(0.3, horizon_days=30, blocks=7),
            *transitions(0.08, horizon_days=7, blocks=9),
            *transitions(0.02, horizon_days=1, blocks=1),
        ],
        "moves_by_cause": [
            *causes(30, bought=500, aged=790),
            *causes(7, bought=150, aged=200),
            *causes(1, bought=40, aged=46),
        ],
        "cohorts": [
            {"block": block, "segment": segment, "customers": customers}
            for block in range(9)
            for segment, customers in (("new_customers", 150), ("potential_loyalists", 30))
        ],
        "unmapped": [
            {
                "customers": CUSTOMERS,
                "without_segment": 0,
                "unknown_segment": 0,
                "without_stage": 0,
            }
        ],
        "recompute": [
            {"compared": CUSTOMERS, "differing": 0, "labels_fingerprint": Decimal(123456789)}
        ],
        "flapping": [
            {"segment": segment, "customers": size, "flapping": size // 100}
            for segment, (_, size) in SEGMENTS.items()
        ],
        "forbidden_moves": [{"rule": "segment lost > champions", "moves": 0}],
        "segment_moments": [
            {
                "segment": segment,
                "feature": feature,
                "customers": size,
                "mean": float(rank),
                "variance": 0.5,
            }
            for segment, (rank, size) in SEGMENTS.items()
            for feature in ("frequency", "log_monetary", "recency")
        ],
        "responses": [
            {
                "segment": segment,
                "customers": size,
                "bought_again": size * rank // 8,
                "orders": size * rank // 6,
                "revenue": Decimal(size * rank * 10),
            }
            for segment, (rank, size) in SEGMENTS.items()
        ],
        "response_bins": [
            {"segment": segment, "bin": place, "customers": customers}
            for segment, (rank, size) in SEGMENTS.items()
            for place, customers in (
                (0, size - size * rank // 8),
                (5, size * rank // 8),
            )
        ],
        "futures": [
            {
                "segment": segment,
                "rank": rank,
                "customers": size,
                "revenue": Decimal(size * rank * 20),
                "mean_revenue": 20.0 * rank,
                "stddev_revenue": 30.0,
            }
            for segment, (rank, size) in SEGMENTS.items()
        ],
        "definitions": [
            {
                "segment": segment,
                "label": segment,
                "action": f"Send the letter for {segment}.",
                "channel": "email",
                "objective": "Keep them buying.",
                "objective_metric": "conversion_rate",
                "objective_target": "+5 % in 6 months",
                "reviewed_on": date(2026, 6, 15),
            }
            for segment in SEGMENTS
        ],
        "segment_daily_metrics": [
            {
                "date_day": day(back),
                "segment": segment,
                "customers": SEGMENTS[segment][1] + (back * 3 + place) % 5,
                "customer_share": Decimal(SEGMENTS[segment][1]) / CUSTOMERS,
            }
            for back in range(70)
            for place, segment in enumerate(names)
        ],
        "definition_log": [
            {
                "definition_type": "scorecard",
                "definition_id": "2026-03-31",
                "content_hash": "a1",
                "first_used_on": date(2026, 4, 1),
            },
            {
                "definition_type": "segment_rules",
                "definition_id": "default@2000-01-01",
                "content_hash": "b2",
                "first_used_on": date(2000, 1, 1),
            },
        ],
        "published_definitions": [],
        "published_as_of": [{"as_of_date": AS_OF, "published_as_of": day(1)}],
    }


def night(as_of: date = AS_OF, **tables: Any) -> Night:
    """A healthy night in which some tables are others."""
    return Night(as_of, healthy_tables() | tables)


def judge(one: Night, definitions: dict[str, Definition] | None = None) -> dict[str, list[Result]]:
    """Results by check id."""
    found: dict[str, list[Result]] = {}
    for result in judge_night(one, definitions or DEFINITIONS):
        found.setdefault(result.check_id, []).append(result)
    return found


def results(check_id: str, **tables: Any) -> dict[str, Result]:
    """Results of one check by subject."""
    one = judge(night(**tables), {check_id: DEFINITIONS[check_id]})
    return {result.subject: result for result in one[check_id]}


def only(check_id: str, **tables: Any) -> Result:
    """The one result of a check."""
    (result,) = results(check_id, **tables).values()
    return result


def number(value: float | None) -> float:
    """A number that must be there."""
    assert value is not None
    return value
