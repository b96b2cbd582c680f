"""The evaluation of the checks is itself right: its numbers, its tables, its faults, its rules."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks.evaluation import baselines, faults
from benchmarks.evaluation.aggregates import Deliveries
from benchmarks.evaluation.labels import cards_of, read_segments
from benchmarks.evaluation.nights import Delivered, Evening, walk
from benchmarks.evaluation.protocol import Plan, run_all
from benchmarks.evaluation.report import (
    clopper_pearson,
    goals_table,
    median_delay,
    rate,
    rate_line,
    share_line,
)
from benchmarks.evaluation.worlds import CHANNELS, MAX_LAG, Refunds, World, draw_traits, simulate
from tests import worlds as small
from tests.compiled import RULES, Compiler

if TYPE_CHECKING:
    from collections.abc import Sequence

REPOSITORY = Path(__file__).parents[1]
FAULT_DAY = 400
NIGHT = 420


# Intervals


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [
        # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I.
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0, 0.1684),
        (1, 29, 0.0009, 0.1776),
    ],
)
def test_clopper_pearson_as_published(hits, trials, low, high):
    found = clopper_pearson(hits, trials)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)
    mirrored = clopper_pearson(trials - hits, trials)
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - high, 1 - low), abs=5e-5)


def test_poisson_rates_as_published():
    # Garwood 1936: 0 and 10 events.
    assert rate([0] * 4).high * 4 == pytest.approx(3.689, abs=5e-4)
    ten = rate([1] * 10)
    assert (ten.low * 10, ten.high * 10) == pytest.approx((4.795, 18.390), abs=5e-4)


def test_events_that_come_together_widen_the_interval():
    even, uneven = rate([2] * 50), rate([0] * 45 + [20] * 5)
    assert even.value == uneven.value
    assert uneven.high - uneven.low > 3 * (even.high - even.low)


def test_a_median_of_delays_knows_what_was_never_found():
    assert median_delay(range(1, 101)).value == 50.5
    # Binomial(100, 1/2) has 40 at 2.5 %: the interval is from the 40th to the 61st.
    assert (median_delay(range(1, 101)).low, median_delay(range(1, 101)).high) == (40, 61)
    assert median_delay([1, 2, np.inf, np.inf, np.inf]).value == np.inf


def test_a_goal_is_met_by_its_bound():
    assert share_line("", "", 100, 100, least=0.95).verdict == "met"
    assert share_line("", "", 96, 100, least=0.95).verdict.startswith("missed by 4.9 points")
    assert share_line("", "", 50, 50, least=1.0).verdict == "met: no miss"
    assert share_line("", "", 49, 50, least=1.0).verdict == "missed in 1, by 2.0 points"
    assert share_line("", "", 0, 2000, most=0.003).verdict == "met"
    assert "the point meets it" in share_line("", "", 0, 20, most=0.003).verdict
    assert rate_line("", "", [0] * 300, 1.0).verdict == "met"
    assert rate_line("", "", [2] * 300, 1.0).verdict.startswith("missed by 1.1")
    assert "| met" in goals_table([share_line("E0", "what", 9, 9, least=0.5)])


# The tables of a simulated night are those of the models


@pytest.fixture(scope="module")
def company() -> World:
    """A small company in which a third of the customers' last orders have not arrived."""
    rng = np.random.default_rng(11)
    traits = draw_traits(rng, 3)
    world = simulate(rng, replace(traits, first_day=date(2024, 1, 1), days=NIGHT + 30))
    orders, refunds = world.orders, world.refunds
    late = (orders.customer % 3 == 0) & (orders.day > NIGHT - MAX_LAG) & (orders.day <= NIGHT)
    orders = replace(orders, arrived=np.where(late, orders.day + MAX_LAG, orders.arrived))
    # Nobody pays an order back that has not arrived.
    booked = orders.arrived[refunds.order] < refunds.day
    columns = {name: getattr(refunds, name)[booked] for name in refunds.__dataclass_fields__}
    return replace(world, orders=orders, refunds=Refunds(**columns))


def evening(world: World, night: int, **other: Any) -> Evening:
    return next(iter(walk(Delivered(world, **other), read_segments(), [night])))


def rules(name: str) -> list[small.Row]:
    lines = (RULES / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    return [row for row in csv.DictReader(lines) if row.get("preset", "default") == "default"]


def known_to(world: World, night: int) -> small.World:
    """What a shop would have delivered until the night."""
    orders, refunds = world.orders, world.refunds
    places = np.flatnonzero((orders.arrived <= night) & (orders.day <= night))
    return small.World(
        orders=[
            small.Order(
                order_id=f"O{place}",
                customer_id=f"C{orders.customer[place]}",
                ordered_at=world.date_of(int(orders.day[place])),
                amount=Decimal(int(orders.cents[place])) / 100,
                channel=CHANNELS[orders.channel[place]],
                items=int(orders.items[place]),
            )
            for place in places
        ],
        refunds=[
            small.Refund(
                f"R{place}",
                f"O{refunds.order[place]}",
                world.date_of(int(refunds.day[place])),
                Decimal(int(refunds.cents[place])) / 100,
            )
            for place in np.flatnonzero(refunds.day <= night)
        ],
        merges=[],
        settings=small.SETTINGS | {"min_calibration_customers": 100, "min_calibration_days": 180},
        as_of=world.date_of(night),
        segment_rules=rules("segment_rules"),
        lifecycle_stages=rules("lifecycle_stages"),
    )


TABLES = {
    "transitions": ("horizon_days", "block", "block_start", "block_end", "from_segment",
                    "to_segment", "customers"),
    "moves_by_cause": ("horizon_days", "cause", "customers", "customers_at_start"),
    "cohorts": ("block", "segment", "customers"),
    "unmapped": ("customers", "without_segment"),
    "flapping": ("segment", "customers", "flapping"),
    "segment_moments": ("segment", "feature", "customers", "mean", "variance"),
    "responses": ("segment", "customers", "bought_again", "orders", "revenue"),
    "response_bins": ("segment", "bin", "customers"),
    "futures": ("segment", "rank", "customers", "revenue", "mean_revenue", "stddev_revenue"),
    "drift_bins": ("feature", "comparison", "bin", "reference_count", "current_count"),
    "drift_locations": ("feature", "comparison", "reference_count", "reference_median",
                        "reference_mad", "reference_mean", "reference_stddev", "current_count",
                        "current_median", "current_mean", "current_stddev"),
    "daily_series": ("series", "subject", "date_day", "value"),
    "recompute": ("compared", "differing"),
}  # fmt: skip
# Rows that one side leaves out because they count nothing.
EMPTY_ROWS = {"moves_by_cause": "customers", "response_bins": "customers", "flapping": "customers"}


def comparable(rows: Sequence[dict[str, Any]], table: str) -> list[list[Any]]:
    needed = EMPTY_ROWS.get(table)
    found = [
        [plain(row[column]) for column in TABLES[table]]
        for row in rows
        if needed is None or row[needed]
    ]
    return sorted(found, key=lambda row: [str(cell) for cell in row])


def plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal | int) else value


def test_simulated_nights_have_the_tables_of_the_models(company, tmp_path_factory):
    compiler = Compiler(tmp_path_factory.mktemp("compiled"), with_quality=True)
    simulated = evening(company, NIGHT)
    assert len(simulated.snapshot.unarrived.customers) > 0, "late orders make the night difficult"
    connection = compiler.build(known_to(company, NIGHT))
    for table in TABLES:
        reader = connection.execute(f"select * from quality.quality_{table}")
        names = [column[0] for column in reader.description]
        modelled = [dict(zip(names, row, strict=True)) for row in reader.fetchall()]
        expected = comparable(modelled, table)
        found = comparable(simulated.tables[table], table)
        assert len(found) == len(expected), table
        for one, other in zip(found, expected, strict=True):
            for cell, wanted in zip(one, other, strict=True):
                exact = isinstance(wanted, str) or wanted is None
                expected_cell = wanted if exact else pytest.approx(wanted, rel=1e-5, abs=1e-6)
                assert cell == expected_cell, (table, one, other)
    sizes = connection.execute(
        "select date_day, segment, customers from marts.segment_daily_metrics order by all"
    ).fetchall()
    metrics = simulated.tables["segment_daily_metrics"]
    found = sorted((row["date_day"], row["segment"], row["customers"]) for row in metrics)
    assert found == [row for row in sizes if row[0] >= metrics[0]["date_day"]]
    connection.close()


def test_nights_see_only_what_has_arrived(company):
    orders = company.orders
    seen = Deliveries(company, NIGHT)
    late = (orders.day <= NIGHT) & (orders.arrived > NIGHT)
    assert late.sum() > 0
    assert not np.isin(seen.window(0, NIGHT), np.flatnonzero(late)).any()
    assert len(seen.window(0, NIGHT)) + late.sum() == (orders.day <= NIGHT).sum()
    by_day = np.bincount(orders.day[seen.window(0, NIGHT)], minlength=NIGHT + 1)
    assert (seen.counts(0, NIGHT).sum(axis=0) == by_day).all()
    (row,) = evening(company, NIGHT).tables["late_arrivals"]
    new = (orders.arrived == NIGHT) & (orders.day <= NIGHT)
    assert row == {
        "arrived_orders": int(new.sum()),
        "late_orders": int((new & (orders.day < NIGHT - 3)).sum()),
    }


def test_a_company_has_what_healthy_data_has():
    rng = np.random.default_rng(3)
    world = simulate(rng, draw_traits(rng, 60))
    orders = world.orders
    assert (np.diff(orders.day) >= 0).all()
    assert (orders.arrived > orders.day).mean() == pytest.approx(0.05, abs=0.005)
    assert len(world.refunds.day) / len(orders) == pytest.approx(0.10, abs=0.01)
    per_day = np.bincount(orders.day)[730:].mean()
    assert per_day == pytest.approx(60 * world.demand.growth[730:].mean(), rel=0.25)
    again = np.random.default_rng(3)
    assert (simulate(again, draw_traits(again, 60)).orders.cents == orders.cents).all()


# Faults


Twin = Callable[[World, np.random.Generator], World]
TWINS: dict[str, tuple[Twin, set[str]]] = {
    "silent": (lambda world, rng: faults.silent(world, FAULT_DAY, 5), set()),
    "cents": (lambda world, rng: faults.wrong_unit(world, FAULT_DAY, 0.5, rng), {"cents"}),
    "late": (
        lambda world, rng: faults.shifted(world, FAULT_DAY, 8),
        {"day", "second", "arrived"},
    ),
    "early": (
        lambda world, rng: faults.shifted(world, FAULT_DAY, -24),
        {"day", "second", "arrived"},
    ),
}


def rows_of(world: World, columns: Sequence[str], chosen: Any) -> Counter[tuple[int, ...]]:
    return Counter(
        zip(*(getattr(world.orders, name)[chosen].tolist() for name in columns), strict=True)
    )


@pytest.mark.parametrize("fault", TWINS)
def test_twins_differ_in_the_fault_alone(company, fault):
    happens, changed = TWINS[fault]
    twin = happens(company, np.random.default_rng(1))
    columns = list(company.orders.__dataclass_fields__)
    before = company.orders.arrived < FAULT_DAY
    own = rows_of(company, columns, before)
    # Earlier days may have gained orders that were delivered later; none of their own changed.
    assert not own - rows_of(twin, columns, slice(None))
    kept = [name for name in columns if name not in changed]
    lost = rows_of(company, kept, slice(None)) - rows_of(twin, kept, slice(None))
    assert not rows_of(twin, kept, slice(None)) - rows_of(company, kept, slice(None))
    if fault == "silent":
        arrived = {row[columns.index("arrived")] for row in lost}
        assert arrived == set(range(FAULT_DAY, FAULT_DAY + 5))
    else:
        # Only what is moved beyond the last simulated day is not delivered any more.
        assert sum(lost.values()) == len(company.orders) - len(twin.orders)
    for table in ("transitions", "drift_bins", "daily_series", "responses"):
        eve = (evening(one, FAULT_DAY - 1).tables[table] for one in (company, twin))
        assert next(eve) == next(eve)


def test_wrong_units_are_a_hundred_times_as_much(company):
    twin = faults.wrong_unit(company, FAULT_DAY, 0.5, np.random.default_rng(1))
    factor = twin.orders.cents / company.orders.cents
    after = company.orders.arrived >= FAULT_DAY
    assert set(factor[~after]) == {1}
    assert set(factor[after]) == {1, 100}
    assert (factor[after] == 100).mean() == pytest.approx(0.5, abs=0.2)


def test_moved_cut_points_label_from_their_day_on(company):
    cards = cards_of(company, 0, NIGHT)
    moved = faults.moved_cuts(cards, FAULT_DAY, 110)
    assert [card.valid_from for card in moved] == sorted({*(c.valid_from for c in cards), 400})
    (other,) = (card for card in moved if not card.is_own)
    own = next(card for card in cards if card.calibrated_on == other.calibrated_on)
    assert (other.monetary == own.monetary * 110 // 100).all()
    healthy, faulted = (
        {day: evening(company, NIGHT, **given).snapshot.labels(day) for day in (399, 400)}
        for given in ({}, {"cards": moved})
    )
    assert (healthy[399] == faulted[399]).all()
    assert (healthy[400] != faulted[400]).any()
    told, usual = (
        {(row["definition_id"], row["content_hash"]) for row in one.tables["definition_log"]}
        for one in (evening(company, NIGHT, cards=moved), evening(company, NIGHT))
    )
    assert usual <= told, "the definitions do not tell of it"
    assert len(told) == len({name for name, _ in told})


def test_a_second_load_is_set_aside_and_adds_no_order(company):
    copies = faults.double_load(company, FAULT_DAY)
    once = evening(company, FAULT_DAY).tables
    twice = evening(company, FAULT_DAY, copies=copies).tables
    assert twice["intake"][0]["duplicate_rows"] == (company.orders.arrived == FAULT_DAY).sum() > 0
    assert twice["daily_series"] == once["daily_series"]
    for table in (once, twice):
        (row,) = table["conservation"]
        assert row["left_value"] == row["right_value"]
    changed = faults.double_load(company, FAULT_DAY, changed=True)
    (row,) = evening(company, FAULT_DAY, copies=changed).tables["conservation"]
    assert row["left_value"] == row["right_value"]


# Rules of other tools


def test_a_value_among_its_own_past_has_a_largest_score():
    # Grubbs: (n - 1) / sqrt(n). Ten values can never exceed 3, whatever happens.
    published = {7: 2.268, 10: 2.846, 11: 3.015, 14: 3.474, 30: 5.295}
    for days, bound in published.items():
        assert baselines.self_included_bound(days) == pytest.approx(bound, abs=5e-4)
        values = np.array([100.0] * (days - 1) + [0.0])
        assert (values.mean() - values[-1]) / values.std(ddof=1) == pytest.approx(bound, abs=5e-4)


def quiet(today: float, *, noise: float = 0.1) -> Any:
    """98 days of about 100 with a fixed pattern, then today."""
    past = 100 * (1 + noise * np.sin(np.arange(baselines.VOLUME_DAYS - 1) * 2.4))
    return np.append(past, today)[None, :]


def test_the_most_used_rule_hides_a_fault_behind_the_fault():
    # With today among them, 14 values whose others vary by 7 cannot tell 0 from usual...
    days = quiet(0)
    score = (days[0, -14:].mean() - 0) / days[0, -14:].std(ddof=1)
    assert baselines.elementary(days)[0] == (score > 3)
    assert score < baselines.self_included_bound(14)
    # ... and seven or ten values can not in any case.
    assert not (quiet(0)[0, -10:].mean() / quiet(0)[0, -10:].std(ddof=1)) > 3
    assert baselines.elementary_without_today(quiet(60))[0]
    assert not baselines.elementary(quiet(60))[0]
    assert not baselines.elementary(quiet(100))[0]


def test_a_constant_series_has_no_score():
    flat = np.full((1, baselines.VOLUME_DAYS), 100.0)
    assert not any(rule(flat)[0] for rule in baselines.VOLUME_RULES.values())


def test_weekday_rules_compare_weekdays():
    days = np.arange(baselines.VOLUME_DAYS)
    weekly = np.where((days[-1] - days) % 7 == 0, 200.0, 100.0) + np.arange(len(days)) % 2
    assert not baselines.weekly_elementary(weekly[None, :])[0]
    assert baselines.re_data(weekly[None, :])[0], "every seventh day is an outlier to it"


def test_moving_deviations_look_at_steps_of_logarithms():
    steps = np.tile([0.1, -0.1], 49)
    values = np.exp(np.concatenate([[5.0], 5 + np.cumsum(steps)]))
    assert not baselines.dbt_expectations(values[None, :])[0]
    values[-1] *= np.exp(-1.0)
    # A step of -1.1 against a mean of about 0 and a deviation of 0.107.
    assert baselines.dbt_expectations(values[None, :])[0]


def test_modified_z_of_a_mostly_constant_series_uses_the_mean_deviation():
    days = np.full((1, baselines.VOLUME_DAYS), 10.0)
    days[0, -5:] = [10, 10, 10, 12, 12]
    # MAD 0; mean deviation 4/30; 2 / (1.253314 * 0.1333) = 11.97.
    assert baselines.re_data(days)[0]


def test_stability_index_by_hand():
    vectors = {"ref": [16, 18, 16, 14, 12, 12], "cur": [16, 16, 16, 16, 16, 8]}
    p = (np.array(vectors["ref"]) + 0.5) / 91
    q = (np.array(vectors["cur"]) + 0.5) / 91
    assert baselines.psi(vectors["ref"], vectors["cur"]) == pytest.approx(
        ((q - p) * np.log(q / p)).sum()
    )
    assert baselines.psi([5, 5], [50, 50]) == pytest.approx(0, abs=1e-12)


def test_evidently_chooses_its_test_by_size():
    reference = np.arange(1000.0)
    # 1,000 rows: Kolmogorov-Smirnov, which sees 8 %; above that a distance, which does not.
    assert baselines.evidently_number(reference, reference + 80)
    large = np.arange(1001.0)
    assert not baselines.evidently_number(large, large + 0.09 * large.std())
    assert baselines.evidently_number(large, large + 0.11 * large.std())
    # Its own published case: p = 0.673.
    assert not baselines.evidently_category([16, 18, 16, 14, 12, 12], [16, 16, 16, 16, 16, 8])
    assert baselines.evidently_category([50, 50, 0], [40, 40, 10])
    assert baselines.evidently_category([600, 600], [300, 900])
    assert not baselines.evidently_category([600, 600], [580, 620])


# The whole


def test_answers_do_not_depend_on_the_number_of_processes():
    plans = [Plan("volume", {30: 2}, nights=20), Plan("drift", {300: 1}, nights=10)]
    one, two = (run_all(plans, 5, jobs, lambda done, wanted: None) for jobs in (1, 2))
    assert one == two
    assert [trial.seed for trial, _ in one["volume"]] == [(5, 0, 30, 0), (5, 0, 30, 1)]
    other = run_all(plans, 6, 1, lambda done, wanted: None)
    assert other["volume"][0][1] != one["volume"][0][1]


def test_the_evaluation_runs_and_answers_every_goal():
    text = subprocess.run(
        [sys.executable, "-m", "benchmarks.evaluate", "--quick", "--jobs", "2"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    goals = re.findall(r"^\| (E\d+) ", text, re.MULTILINE)
    assert set(goals) == {f"E{number}" for number in range(1, 15)}
    assert "| elementary, default " in text
    assert "| Evidently default, orders " in text
    assert "nan" not in text
    # What must be found in any two companies.
    for what in ("feed silent: C01", "day loaded twice: C03", "rules rewritten in place: C38"):
        (line,) = (line for line in text.splitlines() if what in line)
        assert "met: no miss" in line
