"""How many customers change segment between month starts, on two public sets of orders.

Run as `python -m benchmarks.stability --data DIR`, where DIR holds
`online_retail/online_retail.parquet` and `complete_journey_sample/transactions_sample.parquet`.
The scorer here is its own short reading of the definitions; the pipeline is not involved.
`docs/stability.md` keeps the numbers and says what they mean.
"""

from __future__ import annotations

import argparse
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import duckdb

from orchestration.measures.rules import cell_map
from orchestration.rules import read_rules

if TYPE_CHECKING:
    from collections.abc import Sequence

RULES_DIR = Path(__file__).parents[1] / "seeds" / "rules"
MIN_CUSTOMERS = 100
MIN_DAYS = 180
CAUSES = ("bought", "aged", "recalibrated")
SHOPS = {
    "Online Retail": """
        select customer_id::varchar, invoice_ts::date,
            round(sum(quantity * unit_price) * 100)::bigint
        from '{data}/online_retail/online_retail.parquet'
        where customer_id is not null and not starts_with(invoice_no, 'C')
            and quantity > 0 and unit_price > 0
        group by customer_id, invoice_no, invoice_ts::date
    """,
    "Complete Journey": """
        select household_id::varchar, min(transaction_timestamp)::date,
            round(sum(sales_value) * 100)::bigint
        from '{data}/complete_journey_sample/transactions_sample.parquet'
        group by household_id, basket_id
        having round(sum(sales_value) * 100) > 0
    """,
}

Order: TypeAlias = tuple[str, date, int]
Scores: TypeAlias = tuple[int, int, int]
Scorecard: TypeAlias = tuple[list[int], list[int], list[int]]
CellMap: TypeAlias = dict[Scores, str]


@dataclass(frozen=True)
class State:
    last: date
    orders: int
    cents: int


@dataclass(frozen=True)
class Variant:
    """A way of scoring: which map, when scorecards are cut, how much history the first needs."""

    title: str
    preset: str
    calibrate: str
    min_days: int


VARIANTS = (
    Variant("default map, quarterly scorecards", "default", "quarterly", MIN_DAYS),
    Variant("default map, first scorecard on the 100th customer", "default", "quarterly", 0),
    Variant("5 segments, quarterly scorecards", "five", "quarterly", MIN_DAYS),
    Variant("5 segments, quintiles re-cut every month", "five", "every month", 0),
    Variant("10-segment grid, quarterly scorecards", "rf_grid", "quarterly", MIN_DAYS),
    Variant("10-segment grid, quintiles re-cut every month", "rf_grid", "every month", 0),
)


@dataclass(frozen=True)
class Month:
    """Movement into a month start, among customers with a segment at the one before as well."""

    start: date
    existing: int
    moved: Counter[str]

    @property
    def share(self) -> float:
        return sum(self.moved.values()) / self.existing


def states(orders: Sequence[Order], day: date) -> dict[str, State]:
    found: dict[str, State] = {}
    for customer, ordered, cents in orders:
        if ordered > day:
            continue
        old = found.get(customer, State(ordered, 0, 0))
        found[customer] = State(max(old.last, ordered), old.orders + 1, old.cents + cents)
    return found


def quintiles(values: Sequence[int]) -> list[int]:
    """Interpolated quintiles times five, which keeps them whole numbers."""
    ordered = sorted(values)
    found = []
    for k in range(1, 5):
        low, rest = divmod((len(ordered) - 1) * k, 5)
        found.append(ordered[low] * (5 - rest) + (ordered[low + 1] * rest if rest else 0))
    return found


def scorecard(orders: Sequence[Order], day: date) -> Scorecard:
    people = states(orders, day).values()
    return (
        quintiles([(day - one.last).days for one in people]),
        quintiles([one.orders for one in people]),
        quintiles([one.cents for one in people]),
    )


def scores(state: State, day: date, card: Scorecard) -> Scores:
    recency, frequency, money = card
    return (
        5 - bisect_left(recency, 5 * (day - state.last).days),
        1 + bisect_left(frequency, 5 * state.orders),
        1 + bisect_left(money, 5 * state.cents),
    )


def month_starts(first: date, last: date) -> list[date]:
    """Month starts after the opening day, on which every customer is new and soon is not."""
    days = (first + timedelta(days=n) for n in range(1, (last - first).days + 1))
    return [day for day in days if day.day == 1]


def cut_days(orders: Sequence[Order], months: Sequence[date], variant: Variant) -> list[date]:
    """For each month start, the day on which the scorecard in force was cut."""
    if variant.calibrate == "every month":
        return list(months)
    first_order: dict[str, date] = {}
    for customer, ordered, _ in orders:
        first_order[customer] = min(ordered, first_order.get(customer, ordered))
    begun = sorted(first_order.values())
    first = max(begun[MIN_CUSTOMERS - 1], begun[0] + timedelta(days=variant.min_days))
    last = max(ordered for _, ordered, _ in orders)
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    ends = [day for day in days if (day + timedelta(days=1)).day == 1 and day.month % 3 == 0]
    return [max((end for end in ends if end < month), default=first) for month in months]


def movement(orders: Sequence[Order], variant: Variant, mapped: CellMap) -> list[Month]:
    first, last = min(o[1] for o in orders), max(o[1] for o in orders)
    months = month_starts(first, last)
    cuts = cut_days(orders, months, variant)
    cards = {day: scorecard(orders, day) for day in set(cuts)}
    known = [states(orders, month) for month in months]
    found = []
    for (i, before), (j, after) in pairwise(enumerate(months)):
        moved: Counter[str] = Counter()
        for customer, old in known[i].items():
            new = known[j][customer]
            was = mapped[scores(old, before, cards[cuts[i]])]
            if mapped[scores(new, after, cards[cuts[j]])] == was:
                continue
            if new.orders != old.orders:
                moved["bought"] += 1
            elif mapped[scores(new, after, cards[cuts[i]])] == was:
                moved["recalibrated"] += 1
            else:
                moved["aged"] += 1
        found.append(Month(after, len(known[i]), moved))
    return found


def percent(value: float) -> str:
    return f"{100 * value:5.1f} %"


def print_months(months: Sequence[Month]) -> None:
    print("| month start | existing | moved | " + " | ".join(CAUSES) + " |")
    print("|---|---:|---:|" + "---:|" * len(CAUSES))
    for month in months:
        parts = [percent(month.moved[cause] / month.existing) for cause in CAUSES]
        print(
            f"| {month.start} | {month.existing} | {percent(month.share)} | "
            + " | ".join(parts)
            + " |"
        )


def print_silence(orders: Sequence[Order], mapped: CellMap) -> None:
    """Days of silence after which a champion of the newest scorecards is called at risk."""
    last = max(ordered for _, ordered, _ in orders)
    months = month_starts(min(ordered for _, ordered, _ in orders), last)
    for cut in sorted(set(cut_days(orders, months, VARIANTS[0]))):
        recency = scorecard(orders, cut)[0]
        days = next(
            day
            for day in range(10_000)
            if mapped[5 - bisect_left(recency, 5 * day), 5, 5] == "at_risk"
        )
        print(f"scorecard of {cut}: a silent champion is at risk after {days} days")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--data", type=Path, required=True, help="folder of the public orders")
    data = parser.parse_args().data
    connection = duckdb.connect()
    rules = read_rules(RULES_DIR).segment_rules
    for shop, query in SHOPS.items():
        orders: list[Order] = connection.execute(query.format(data=data)).fetchall()
        print(f"\n# {shop}: {len({o[0] for o in orders})} customers, {len(orders)} orders\n")
        summary = []
        for variant in VARIANTS:
            mapped = cell_map(rules, variant.preset, orders[0][1])
            months = movement(orders, variant, mapped)
            shares = [month.share for month in months]
            summary.append((variant.title, shares))
            if variant is VARIANTS[0]:
                print_months(months)
                print()
                print_silence(orders, mapped)
        print("\n| scoring | average | highest month | months at 50 % or more |")
        print("|---|---:|---:|---:|")
        for title, shares in summary:
            over = sum(share >= 0.5 for share in shares)
            average = sum(shares) / len(shares)
            print(f"| {title} | {percent(average)} | {percent(max(shares))} | {over} |")


if __name__ == "__main__":
    main()
