"""The default map keeps the promise of docs/stability.md, on a small shop and on public orders."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from benchmarks.stability import RULES_DIR, SHOPS, VARIANTS, cut_days, month_starts, movement
from orchestration.measures.rules import cell_map
from orchestration.rules import read_rules

PUBLIC_ORDERS = Path(__file__).parents[2] / "shared" / "data"
DEFAULT_MAP = cell_map(read_rules(RULES_DIR).segment_rules, "default", date(2026, 1, 1))


@pytest.mark.skipif(
    not PUBLIC_ORDERS.is_dir(), reason="the public orders are not beside the repository"
)
@pytest.mark.parametrize("shop", SHOPS)
def test_less_than_half_move_in_every_month_and_less_than_40_percent_on_average(shop):
    orders = duckdb.connect().execute(SHOPS[shop].format(data=PUBLIC_ORDERS)).fetchall()
    shares = [month.share for month in movement(orders, VARIANTS[0], DEFAULT_MAP)]
    assert len(shares) >= 10
    assert max(shares) < 0.5
    assert sum(shares) / len(shares) < 0.4


def test_scorecards_of_the_study_are_cut_on_quarter_ends_after_180_days():
    opening = date(2024, 1, 10)
    orders = [(f"c{n}", opening + timedelta(days=n), 1000) for n in range(400)]
    months = month_starts(opening, date(2025, 2, 12))
    cuts = dict(zip(months, cut_days(orders, months, VARIANTS[0]), strict=True))
    assert months[0] == date(2024, 2, 1)
    assert cuts[date(2024, 2, 1)] == date(2024, 7, 8)
    assert cuts[date(2024, 10, 1)] == date(2024, 9, 30)
    assert cuts[date(2025, 2, 1)] == date(2024, 12, 31)


def test_movement_is_told_by_cause():
    # Everybody orders on the opening day and a hundred again on the first day of each month.
    opening = date(2024, 1, 10)
    orders = [(f"c{n}", opening, 1000) for n in range(200)]
    for month in month_starts(opening, date(2024, 12, 31)):
        orders += [(f"c{n}", month, 1000) for n in range(100)]
    months = movement(orders, VARIANTS[0], DEFAULT_MAP)
    assert {month.existing for month in months} == {200}
    assert {cause for month in months for cause in month.moved} <= {
        "bought",
        "aged",
        "recalibrated",
    }
    assert sum(month.moved["bought"] for month in months) > 0
