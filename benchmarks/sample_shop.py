"""Writes the sample shop, `seeds/sample/raw_orders.csv`.

A seeded generator of a small, believable shop: what it writes depends on nothing but this file,
so the sample can be made again byte for byte. Big worlds for timing live beside it, not here.
"""

from __future__ import annotations

import csv
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "seeds" / "sample" / "raw_orders.csv"
COLUMNS = (
    "order_id",
    "customer_id",
    "ordered_at",
    "amount",
    "status",
    "currency",
    "refunded_amount",
    "channel",
)
OPENING = datetime(2024, 1, 2, tzinfo=UTC)
LAST_DAY = datetime(2026, 6, 30, tzinfo=UTC)
DAYS = (LAST_DAY - OPENING).days
CUSTOMERS = 600
# name: (weight, mean days between orders, chance to stop after an order, median basket)
HABITS = {
    "devoted": (0.12, 27, 0.015, 82.0),
    "regular": (0.26, 52, 0.045, 54.0),
    "occasional": (0.30, 105, 0.13, 38.0),
    "one_time": (0.32, 60, 0.88, 29.0),
}
# The shop sells more before Christmas and less in high summer.
SEASON = (0.95, 0.9, 1.0, 1.0, 1.0, 0.95, 0.85, 0.85, 1.0, 1.05, 1.35, 1.3)


def first_day(draw: random.Random) -> int:
    """The day a customer first buys: a strong opening, then a steady stream."""
    if draw.random() < 0.3:
        return int(draw.expovariate(1 / 45)) % 120
    return draw.randrange(DAYS + 1)


def order_days(draw: random.Random, habit: str, first: int) -> list[int]:
    """The days on which one customer of a habit buys."""
    _, gap, stop, _ = HABITS[habit]
    days = [first]
    while draw.random() >= stop:
        month = (OPENING + timedelta(days=days[-1])).month
        days.append(days[-1] + max(1, round(draw.gammavariate(2.2, gap / 2.2) / SEASON[month - 1])))
        if days[-1] > DAYS:
            days.pop()
            break
    silence = DAYS - days[-1]
    if silence > 230 and draw.random() < 0.1:
        # Some come back after a long silence, a few of them in the last weeks.
        days.append(days[-1] + draw.randrange(185, silence + 1))
    if silence > 230 and draw.random() < 0.04:
        days.append(DAYS - draw.randrange(0, 25))
    return sorted(set(days))


def order_rows(draw: random.Random) -> list[list[str]]:
    """All sound orders in the order of their time, with their ids."""
    names = list(HABITS)
    weights = [HABITS[name][0] for name in names]
    drafts = []
    for number in range(1, CUSTOMERS + 1):
        habit = draw.choices(names, weights)[0]
        home = draw.choices(("web", "app", "store"), (5, 3, 2))[0]
        for day in order_days(draw, habit, first_day(draw)):
            moment = OPENING + timedelta(days=day, seconds=draw.randrange(8 * 3600, 22 * 3600))
            basket = HABITS[habit][3] * draw.lognormvariate(0, 0.45)
            channel = home if draw.random() < 0.8 else draw.choice(("web", "app", "store"))
            drafts.append((moment, f"C{number:04d}", basket, channel))
    drafts.sort()
    rows = []
    for number, (moment, customer, basket, channel) in enumerate(drafts, start=10001):
        amount = f"{basket:.2f}"
        status, refunded = "completed", ""
        luck = draw.random()
        if luck < 0.012:
            status = "cancelled"
        elif luck < 0.020:
            status, refunded = "refunded", amount
        elif luck < 0.035:
            refunded = f"{basket * draw.choice((0.25, 0.5)):.2f}"
        elif luck < 0.038:
            amount = "0.00"
        stamp = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        rows.append([f"S{number}", customer, stamp, amount, status, "USD", refunded, channel])
    return rows


def with_flaws(draw: random.Random, rows: list[list[str]]) -> list[list[str]]:
    """The same orders with what real exports bring: repeated rows and rows that cannot be read."""
    flawed = list(rows)
    for row in draw.sample(rows, 3):
        flawed.insert(flawed.index(row) + 1, list(row))
    bad = [
        ["S90001", "", "2024-05-14T10:12:00Z", "41.90", "completed", "USD", "", "web"],
        ["S90002", "C0031", "2024-11-31T09:30:00Z", "25.00", "completed", "USD", "", "app"],
        ["S90003", "C0077", "2025-02-03T17:45:00Z", "$19.99", "completed", "USD", "", "web"],
        ["S90004", "C0102", "2025-06-21T12:00:00Z", "-35.00", "completed", "USD", "", "store"],
        ["S90005", "C0150", "2025-09-09T08:20:00Z", "60.00", "completed", "XXQ", "", "web"],
        ["S90006", "C0204", "2029-01-15T11:00:00Z", "32.50", "completed", "USD", "", "app"],
    ]
    for row in bad:
        flawed.insert(draw.randrange(len(flawed)), row)
    return flawed


def main() -> None:
    """Write the file."""
    draw = random.Random(20240102)
    rows = with_flaws(draw, order_rows(draw))
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    with TARGET.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
