"""Public orders end to end: published answers to the last digit, and what must hold on any data.

The data is not part of the project. Where it is not beside the repository, a test says which folder
it misses and is skipped. The configurations are those of `examples/`.
"""

from __future__ import annotations

import csv
import math
import os
import random
import shutil
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from benchmarks.stability import SHOPS, VARIANTS, movement
from orchestration.config import Scorecard, load_config
from orchestration.measures.rules import cell_map, lint_rules
from orchestration.overlay import DBT_PROJECT_DIR, OVERLAYS_DIR, SEEDS_DIR, rules_dir, seeds_root
from orchestration.rules import read_rules
from orchestration.settings import Settings
from tests.warehouse import REPOSITORY, Warehouse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PUBLIC_DATA = REPOSITORY.parent / "shared" / "data"
# The published names, where they differ from those of the map.
ONLINE_RETAIL_NAMES = {
    "cant_loose": "cant_lose",
    "at_Risk": "at_risk",
    "loyal_customers": "loyal",
    "new_customers": "new",
}
EVERYTHING = ("fqn:lifestage.rules", "fqn:lifestage.staging", "+fqn:lifestage.marts")
CAUSES = {"bought", "aged", "window_exit", "recalibrated", "rules_changed", "corrected", "merged"}
DEFAULTS = {"segment_preset": "default", "scorecard": Scorecard()}
ORDERS = {
    "cdnow": """
        select master_id as customer_id, order_date as day, dollar_value > 0 as is_counted,
            cast(dollar_value as decimal(18, 4)) as amount
        from '{data}/cdnow_sample/cdnow_sample_2357.parquet'
    """,
    "complete_journey": """
        select cast(household_id as varchar) as customer_id,
            cast(min(transaction_timestamp) as date) as day,
            sum(cast(sales_value as decimal(18, 4))) > 0 as is_counted,
            sum(cast(sales_value as decimal(18, 4))) as amount
        from '{data}/complete_journey_sample/transactions_sample.parquet'
        group by household_id, basket_id
    """,
}
FOLDERS = {"cdnow": "cdnow_sample", "complete_journey": "complete_journey_sample"}
# Everybody's label on one day: from the orders, the cut points in force and the rules, no history.
PLAIN_SCORER = """
    with known as (
        select customer_id, min(day) filter (where is_counted) as first_order_date,
            max(day) filter (where is_counted) as last_order_date,
            count(*) filter (where is_counted) as orders, sum(amount) as monetary
        from ({orders}) as orders
        where day <= $day
        group by customer_id
        having last_order_date is not null
    ),
    cuts as (
        select metric, score, coalesce(above_value, -1) as above,
            coalesce(up_to_value, 99999999) as up_to
        from marts.scorecards
        where valid_from <= $day and valid_to > $day
    ),
    scored as (
        select known.*, recency.score as r_score, frequency.score as f_score,
            monetary_cuts.score as m_score
        from known
        join cuts as recency on recency.metric = 'recency'
            and $day - last_order_date > recency.above and $day - last_order_date <= recency.up_to
        join cuts as frequency on frequency.metric = 'frequency'
            and orders > frequency.above and orders <= frequency.up_to
        join cuts as monetary_cuts on monetary_cuts.metric = 'monetary'
            and monetary > monetary_cuts.above and monetary <= monetary_cuts.up_to
    )
    select customer_id, first_order_date, last_order_date, orders, monetary, r_score, f_score,
        m_score, arg_min(segment, priority) as segment
    from scored
    join rules.segment_rules on preset = 'default' and r_score between r_min and r_max
        and f_score between f_min and f_max and m_score between m_min and m_max
    group by all
    order by customer_id
"""
TIMELINE_ON = """
    select customer_id, first_order_date, last_order_date, orders, monetary, r_score, f_score,
        m_score, segment
    from marts.customer_timeline
    where valid_from <= $day and valid_to > $day
    order by customer_id
"""
MOVEMENT = """
    with labels as (
        select start, customer_id, segment
        from unnest($months::date[]) as months (start)
        join marts.customer_timeline on valid_from <= start and valid_to > start
    ),
    pairs as (
        select new.start, old.start as before, new.customer_id, old.segment != new.segment as moved
        from labels as old
        join labels as new
            on old.customer_id = new.customer_id and old.start + interval 1 month = new.start
    ),
    steps as (
        select pairs.start, pairs.customer_id, arg_max(cause, valid_from) as cause
        from pairs
        join marts.customer_timeline as timeline
            on pairs.customer_id = timeline.customer_id
            and valid_from > before and valid_from <= pairs.start and segment != previous_segment
        where moved
        group by all
    )
    select start, count(*) as existing, count(*) filter (where moved) as moved,
        list(cause) filter (where moved) as causes
    from pairs
    left join steps using (start, customer_id)
    group by start
    order by start
"""


def public_data(folder: str) -> Path:
    """Return a folder of public data; a test that has to do without it is skipped by name."""
    path = PUBLIC_DATA / folder
    if not path.is_dir():
        pytest.skip(f"the public data {folder} is not in shared/data beside the repository")
    return path


class Example(Warehouse):
    """The warehouse of one of the examples, with its state in a folder of the test."""

    def __init__(self, name: str, home: Path, data_root: Path) -> None:
        folder = REPOSITORY / "examples" / name
        self.root = folder
        self.settings = Settings(folder, folder / "lifestage.yml", home, data_root=data_root)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LIFESTAGE_DATA_ROOT", str(data_root))
            self.config = load_config(self.settings.config_path)
        self.load(self.config)

    def run(self, *select: str, **changes: Any) -> None:
        """Build what is asked for, else everything, with some keys of the configuration changed."""
        config = self.config.model_copy(update=changes)
        assert config.as_of is not None
        preset = [config.segment_preset]
        findings = lint_rules(read_rules(rules_dir(self.settings, config)), preset)
        assert [one for one in findings if one.severity == "error"] == []
        with pytest.MonkeyPatch.context() as patch:
            seeds = os.path.relpath(seeds_root(self.settings, config), DBT_PROJECT_DIR)
            patch.setenv("LIFESTAGE_SEEDS", seeds)
            self.build(config, config.as_of, *(select or EVERYTHING))

    def ask(self, query: str, **bound: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query with named parameters."""
        with duckdb.connect(str(self.settings.warehouse_path)) as connection:
            return connection.execute(query, bound).fetchall()


def read_answer(name: str) -> list[dict[str, str]]:
    with (public_data("reference") / name).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def online_retail(tmp_path_factory: pytest.TempPathFactory) -> Example:
    """Online Retail with the line that only its second edition has, as the analysis read it."""
    original = public_data("online_retail") / "online_retail.parquet"
    data_root = tmp_path_factory.mktemp("data")
    (data_root / "online_retail").mkdir()
    shutil.copy(original, data_root / "online_retail")
    duckdb.execute(
        f"""
        copy (
            select * replace (
                'POST' as stock_code, 'POSTAGE' as description, 1::integer as quantity,
                18.0::double as unit_price
            )
            from '{original}' where invoice_no = '581587' limit 1
        ) to '{data_root}/online_retail/postage.parquet' (format parquet)
        """
    )
    example = Example("online_retail", tmp_path_factory.mktemp("online_retail"), data_root)
    example.run()
    return example


def test_online_retail_gives_the_published_table(online_retail: Example) -> None:
    metrics = ("recency", "frequency", "monetary")
    wanted = {
        ONLINE_RETAIL_NAMES.get(row["segment"], row["segment"]): [
            float(row[f"{metric}_{figure}"])
            for metric in metrics
            for figure in ("mean", "count", "max")
        ]
        for row in read_answer("online_retail_segments.csv")
    }
    found = online_retail.ask(
        """
        select segment, sum(days_since_last_order), max(days_since_last_order), sum(orders),
            max(orders), sum(monetary), max(monetary), count(*)
        from marts.customers group by segment
        """
    )
    assert {row[0] for row in found} == wanted.keys()
    for segment, *figures, count in found:
        mine = [
            one
            for total, highest in zip(figures[::2], figures[1::2], strict=True)
            for one in (float(Decimal(total) / count), count, float(highest))
        ]
        assert mine == pytest.approx(wanted[segment], rel=1e-12), segment


def test_online_retail_gives_every_published_customer(online_retail: Example) -> None:
    wanted = {
        str(int(float(row["Customer ID"]))): (
            int(row["recency"]),
            int(row["frequency"]),
            int(row["recency_score"]),
            int(row["frequency_score"]),
            int(row["monetary_score"]),
            ONLINE_RETAIL_NAMES.get(row["segment"], row["segment"]),
            float(row["monetary"]),
        )
        for row in read_answer("online_retail_customers.csv")
    }
    found = online_retail.ask(
        """
        select customer_id, days_since_last_order, orders, r_score, f_score, m_score, segment,
            monetary
        from marts.customers
        """
    )
    assert len(found) == len(wanted) == 4338
    for customer, *rest, monetary in found:
        *labels, money = wanted[customer]
        assert rest == labels, customer
        assert math.isclose(monetary, money, rel_tol=1e-9), customer


def test_a_fifth_of_online_retail_brings_the_published_share(online_retail: Example) -> None:
    """74.6 % of the money of 2010-11 came from a fifth of the customers."""
    (row,) = online_retail.ask(
        """
        select top_20_share_to_date from marts.segment_performance
        where top_20_share_to_date is not null
        """
    )
    spent = sorted(
        (float(row["monetary"]) for row in read_answer("online_retail_customers.csv")), reverse=True
    )
    assert row[0] == Decimal("0.746170")
    assert float(row[0]) == pytest.approx(sum(spent[:868]) / sum(spent), abs=1e-6)


def test_online_retail_loses_no_row_and_no_penny(online_retail: Example) -> None:
    intake = online_retail.ask(
        """
        select sum(received_rows), sum(accepted_rows), sum(excluded_rows), sum(rejected_rows),
            sum(accepted_amount)
        from staging.order_intake
        """
    )
    excluded = online_retail.ask(
        "select _excluded_by, count(*) from raw.order_lines"
        " where _excluded_by is not null group by all order by all"
    )
    kept = online_retail.ask("select sum(monetary) from marts.customers")[0][0]
    assert intake == [(541910, 397885, 144025, 0, kept)]
    assert excluded == [
        ("customer_id is_empty", 133626),
        ("description is_empty", 1454),
        ("invoice_no starts_with C", 8905),
        ("unit_price at_most 0", 40),
    ]


@pytest.fixture(scope="module")
def rfm_orders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    public_data("rfm_orders")
    example = Example("rfm_orders", tmp_path_factory.mktemp("rfm_orders"), PUBLIC_DATA)
    yield example
    copied = seeds_root(example.settings, example.config)
    assert copied.parent == OVERLAYS_DIR
    shutil.rmtree(copied)


@pytest.mark.parametrize(
    ("preset", "answer"),
    [
        ("rfm_readme", "rfm_orders_segments_readme_rules.csv"),
        ("rfm_older", "rfm_orders_segments_test_rules.csv"),
    ],
)
def test_rfm_orders_give_the_published_tables(
    rfm_orders: Example, preset: str, answer: str
) -> None:
    rfm_orders.run(segment_preset=preset)
    found = rfm_orders.ask(
        """
        select label, count(*), sum(orders), sum(monetary), round(sum(monetary) / sum(orders), 2)
        from marts.customers
        join rules.segments using (segment)
        where preset = $preset
        group by label
        """,
        preset=preset,
    )
    # Case is the only liberty: the labels are written as in a sentence.
    assert {(row[0].lower(), *map(float, row[1:])) for row in found} == {
        (
            row["segment"].lower(),
            *(float(row[column]) for column in ("customers", "orders", "revenue", "aov")),
        )
        for row in read_answer(answer)
    }


def test_cut_points_of_the_rfm_example_are_the_published_ones() -> None:
    rows = read_answer("rfm_orders_thresholds.csv")
    with (REPOSITORY / "examples/rfm_orders/rules/fixed_score_cuts.csv").open(newline="") as file:
        cuts = list(csv.DictReader(file))
    for metric in ("recency", "frequency", "monetary"):
        mine = [Decimal(row["value"]) for row in cuts if row["metric"] == metric]
        assert mine == [Decimal(row[f"{metric}_lower"]) for row in rows[1:]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Example]:
    """Examples by name, each built when it is first asked for."""
    examples: dict[str, Example] = {}

    def build(name: str) -> Example:
        public_data(FOLDERS[name])
        if name not in examples:
            example = Example(name, tmp_path_factory.mktemp(name), PUBLIC_DATA)
            example.run()
            examples[name] = example
        return examples[name]

    return build


@pytest.fixture(params=list(ORDERS))
def shop(request: pytest.FixtureRequest, built: Callable[[str], Example]) -> Example:
    return built(request.param)


def orders_of(example: Example) -> str:
    return ORDERS[example.root.name].format(data=PUBLIC_DATA)


def test_rows_and_money_are_conserved(shop: Example) -> None:
    rows, sums = {
        "cdnow": ((6919, 6919, 0), "244091.94"),
        # The price of one line is 4e-16, a speck of floating point: it is refused, not rounded.
        "complete_journey": ((75000, 74999, 1), "233935.24"),
    }[shop.root.name]
    intake = shop.ask(
        """
        select received_rows, accepted_rows, rejected_rows, duplicate_rows + excluded_rows,
            received_amount, accepted_amount
        from staging.order_intake
        """
    )
    total = Decimal(sums)
    assert intake == [(*rows, 0, total, total)]
    assert shop.ask(f"select sum(amount) from ({orders_of(shop)})") == [(total,)]
    assert shop.ask("select sum(gross_amount) from staging.stg_shop__orders") == [(total,)]
    assert shop.ask("select sum(monetary) from marts.customers") == [(total,)]


def test_ids_stay_as_they_are_written(shop: Example) -> None:
    written = f"select customer_id from ({orders_of(shop)}) group by 1 having bool_or(is_counted)"
    known = shop.ask("select customer_id from marts.customers order by 1")
    assert known == shop.ask(f"{written} order by 1")
    if shop.root.name == "cdnow":
        assert known[0] == ("00004",)


def test_intervals_are_contiguous_and_differ_from_their_neighbours(shop: Example) -> None:
    by_customer: dict[str, list[tuple[Any, ...]]] = {}
    for customer, *interval in shop.ask(
        """
        select customer_id, valid_from, valid_to, r_score, f_score, m_score, segment,
            lifecycle_stage, first_order_date, last_order_date, orders, monetary
        from marts.customer_timeline order by customer_id, valid_from
        """
    ):
        by_customer.setdefault(customer, []).append(tuple(interval))
    for customer, intervals in by_customer.items():
        first, last = intervals[0], intervals[-1]
        assert first[0] == first[7], customer
        assert last[1] == date(9999, 12, 31), customer
        for before, after in pairwise(intervals):
            assert before[1] == after[0], customer
            assert before[2:] != after[2:], customer


def test_timeline_is_what_a_plain_query_of_the_day_says(shop: Example) -> None:
    start, end = shop.config.history_start, shop.config.as_of
    assert end is not None
    chosen = random.Random(1997).sample(range((end - start).days), 8)
    for day in [start + timedelta(days=n) for n in sorted(chosen)]:
        expected = shop.ask(PLAIN_SCORER.format(orders=orders_of(shop)), day=day)
        assert shop.ask(TIMELINE_ON, day=day) == expected, day
        assert expected


def assert_stable(example: Example, name: str) -> None:
    """Compare movement between month starts with the study of docs/stability.md."""
    orders = duckdb.execute(SHOPS[name].format(data=PUBLIC_DATA)).fetchall()
    mapped = cell_map(read_rules(SEEDS_DIR / "rules").segment_rules, "default", date(2026, 1, 1))
    study = movement(orders, VARIANTS[0], mapped)
    months = [study[0].start - timedelta(days=1), *(month.start for month in study)]
    months[0] = months[0].replace(day=1)
    found = example.ask(MOVEMENT, months=months)

    assert [(start, existing, moved) for start, existing, moved, _ in found] == [
        (month.start, month.existing, sum(month.moved.values())) for month in study
    ]
    shares = [moved / existing for _, existing, moved, _ in found]
    assert max(shares) < 0.5
    assert sum(shares) / len(shares) < 0.4
    for _, _, moved, causes in found:
        assert len(causes) == moved
        assert set(causes) <= CAUSES


def test_default_map_is_stable_on_online_retail(online_retail: Example) -> None:
    online_retail.run("fqn:lifestage.intermediate", "fqn:lifestage.marts", **DEFAULTS)
    assert_stable(online_retail, "Online Retail")


def test_default_map_is_stable_on_complete_journey(built: Callable[[str], Example]) -> None:
    assert_stable(built("complete_journey"), "Complete Journey")
