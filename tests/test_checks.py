"""Each check against numbers worked out by hand, on a healthy night in which one table is wrong."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.measures.daily_series import DailySeries, OpenDays
from orchestration.measures.distances import psi, psi_limit
from orchestration.measures.night import Night, Unavailable, judge_night
from tests.judged import (
    AS_OF,
    CUSTOMERS,
    DEFINITIONS,
    HISTORY_DAYS,
    SEGMENTS,
    bins,
    causes,
    counts,
    day,
    healthy_tables,
    judge,
    location,
    night,
    number,
    only,
    results,
    transitions,
    usual_orders,
)


def arrival(last: date, at: time = time(20)) -> list[dict[str, Any]]:
    return [{"source": "orders", "row_count": 9, "newest_at": datetime.combine(last, at)}]


def orders(count) -> list[dict[str, Any]]:
    return counts("orders", "all", count)


def silent_since(last: date):
    return orders(lambda when: usual_orders(when) if when <= last else 0)


def rows_with(table: str, **changes: Any) -> list[dict[str, Any]]:
    return [row | changes for row in healthy_tables()[table]]


# The night as a whole


def test_a_healthy_night_passes():
    found = judge_night(night(), DEFINITIONS)
    assert {one.status for one in found} == {"pass"}
    assert {one.check_id for one in found} == set(DEFINITIONS)


def test_every_message_is_one_sentence_with_a_number():
    for one in judge_night(night(), DEFINITIONS):
        assert one.message.endswith(".")
        assert any(letter.isdigit() for letter in one.message) or one.value == 0


def test_results_are_in_order_and_unique():
    found = [(one.check_id, one.subject) for one in judge_night(night(), DEFINITIONS)]
    assert found == sorted(set(found))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_the_order_of_rows_does_not_matter(seed):
    random = Random(seed)
    tables = healthy_tables()
    tables["transitions"] = transitions(0.41) + transitions(0.1, horizon_days=7, blocks=9)
    tables["response_bins"][3]["customers"] += 17
    expected = judge_night(Night(AS_OF, tables), DEFINITIONS)
    shuffled = {name: random.sample(rows, len(rows)) for name, rows in tables.items()}
    assert judge_night(Night(AS_OF, shuffled), DEFINITIONS) == expected


def test_a_check_that_raises_is_its_own_error_and_quotes_no_data():
    found = judge(night(nulls=[{"column_name": "secret@example.org"}]))
    (broken,) = found["C13"]
    assert broken.status == "error"
    assert broken.blocks == "activation"
    assert "KeyError" in broken.message
    assert "secret" not in broken.message
    assert {one.status for key, rest in found.items() if key != "C13" for one in rest} == {"pass"}


@pytest.mark.parametrize("check_id", sorted(set(DEFINITIONS) - {"C51"}))
def test_without_tables_required_checks_fail_and_others_wait(check_id):
    empty = Night(AS_OF, {name: Unavailable("it is locked") for name in healthy_tables()})
    (found,) = judge(empty, {check_id: DEFINITIONS[check_id]})[check_id]
    required = DEFINITIONS[check_id].is_required
    assert found.status == ("error" if required else "insufficient_data")
    assert "it is locked" in found.message


@pytest.mark.parametrize("missing", [None, math.nan, math.inf, Decimal("NaN")])
@pytest.mark.parametrize(
    ("check_id", "table", "column"),
    [
        ("C03", "intake", "conflicting_rows"),
        ("C04", "intake", "rejected_rows"),
        ("C06", "conservation", "left_value"),
        ("C24", "unmapped", "without_stage"),
        ("C33", "recompute", "differing"),
        ("C35", "forbidden_moves", "moves"),
    ],
)
def test_no_number_is_an_error_of_a_required_check(check_id, table, column, missing):
    found = results(check_id, **{table: rows_with(table, **{column: missing})})
    worst = [one for one in found.values() if one.status != "pass"]
    assert worst
    assert {one.status for one in worst} == {"error"}
    assert all(one.value is None for one in worst)


@pytest.mark.parametrize("missing", [None, math.nan, math.inf])
@pytest.mark.parametrize(
    ("check_id", "table", "column"),
    [
        ("C07", "late_arrivals", "late_orders"),
        ("C12", "drift_locations", "current_median"),
        ("C34", "flapping", "flapping"),
        ("C42", "segment_moments", "variance"),
    ],
)
def test_no_number_is_never_a_pass_of_any_check(check_id, table, column, missing):
    found = results(check_id, **{table: rows_with(table, **{column: missing})})
    assert "insufficient_data" in {one.status for one in found.values()}
    assert all(one.value is not None for one in found.values() if one.status == "pass")


def test_an_unknown_check_is_an_error():
    definition = replace(DEFINITIONS["C24"], check_id="C99")
    (found,) = judge_night(night(), {"C99": definition})
    assert (found.status, found.check_id) == ("error", "C99")


@pytest.mark.parametrize("age", [0, 1, 5, 12, 27])
def test_a_new_shop_has_no_error_for_want_of_history(age):
    young = [
        row for row in healthy_tables()["daily_series"] if row["date_day"] >= AS_OF - timedelta(age)
    ]
    few: dict[str, Any] = {
        "daily_series": young,
        "transitions": transitions(0.9, horizon_days=1, blocks=1) if age else [],
        "moves_by_cause": [],
        "drift_bins": [],
        "drift_locations": [],
        "nulls": [],
        "cohorts": [],
        "late_arrivals": [{"arrived_orders": 0, "late_orders": 0}],
        "responses": [],
        "response_bins": [],
        "futures": [],
        "flapping": [],
        "published_as_of": [],
        "segment_moments": [],
        "segment_daily_metrics": [
            {"date_day": day(back), "segment": segment, "customers": 12 if back == 0 else 1}
            for back in range(age + 1)
            for segment in ("new_customers", "champions")
        ],
    }
    found = judge_night(night(**few), DEFINITIONS)
    assert [one.message for one in found if one.status == "error"] == []
    waiting = {one.check_id for one in found if one.status == "insufficient_data"}
    assert {"C02", "C10", "C11", "C20", "C30", "C32", "C40", "C43", "C50"} <= waiting
    required = [one for one in found if one.is_required]
    assert {one.status for one in required} == {"pass"}


# C01


@pytest.mark.parametrize(
    ("silent_days", "status"), [(0, "pass"), (1, "warn"), (2, "error"), (20, "error")]
)
@pytest.mark.parametrize("at", [time(0), time(12), time(20)])
def test_a_silent_feed_is_an_error_on_the_second_day(silent_days, status, at):
    last = day(silent_days)
    found = only("C01", source_arrivals=arrival(last, at), daily_series=silent_since(last))
    assert found.status == status
    lag = 24 * silent_days + 24 - at.hour
    assert found.value == lag


def test_late_on_the_last_day_is_no_alarm_yet_and_an_error_a_day_later():
    for silent, status in ((1, "pass"), (2, "error")):
        last = day(silent)
        found = only(
            "C01", source_arrivals=arrival(last, time(23, 30)), daily_series=silent_since(last)
        )
        assert found.status == status


def closed_on(*weekdays: int):
    return lambda when: 0 if when.weekday() in weekdays else usual_orders(when)


@pytest.mark.parametrize("weekdays", [(5,), (5, 6), (0, 1)])
@pytest.mark.parametrize("age", [HISTORY_DAYS, 30, 10])
def test_a_weekly_closed_day_never_alarms(weekdays, age):
    count = closed_on(*weekdays)
    for back in range(7):
        as_of = day(back)
        table = [
            row for row in orders(count) if as_of - timedelta(days=age) <= row["date_day"] <= as_of
        ]
        last = max(row["date_day"] for row in table if row["value"])
        found = judge(
            night(as_of, source_arrivals=arrival(last), daily_series=table),
            {key: DEFINITIONS[key] for key in ("C01", "C02")},
        )
        assert {one.status for one in found["C01"]} == {"pass"}
        assert "error" not in {one.status for one in found["C02"]}


CHRISTMAS = [(12, 24), (12, 25), (12, 26), (12, 27), (12, 28)]


def test_a_holiday_of_last_year_never_alarms_and_a_new_one_does():
    def count(when: date) -> int:
        return 0 if (when.month, when.day) in CHRISTMAS else usual_orders(when)

    start = date(2024, 10, 1)
    for as_of in (date(2025, 12, 24) + timedelta(days=past) for past in range(5)):
        table: list[dict[str, Any]] = [
            {"series": "orders", "subject": "all", "date_day": when, "value": count(when)}
            for when in (start + timedelta(days=past) for past in range((as_of - start).days + 1))
        ]
        last = max(row["date_day"] for row in table if row["value"])
        one = night(as_of, source_arrivals=arrival(last), daily_series=table, calendar_days=[])
        found = judge(one, {key: DEFINITIONS[key] for key in ("C01", "C02")})
        assert [result.status for rest in found.values() for result in rest] == ["pass", "pass"]
    unseen = [row for row in table if row["date_day"] > date(2025, 2, 1)]
    one = night(as_of, source_arrivals=arrival(last), daily_series=unseen)
    assert judge(one, {"C01": DEFINITIONS["C01"]})["C01"][0].status == "error"


def test_a_closed_day_of_the_calendar_is_not_counted():
    closed = [{"date_day": day(back), "kind": "closed", "name": "Stocktaking"} for back in (0, 1)]
    last = day(2)
    tables = {"source_arrivals": arrival(last), "daily_series": silent_since(last)}
    assert only("C01", **tables).status == "error"
    assert only("C01", **tables, calendar_days=closed).status == "pass"
    assert results("C02", **tables, calendar_days=closed)["orders"].status == "pass"


def test_a_feed_that_died_weeks_ago_does_not_look_closed():
    last = day(70)
    found = only("C01", source_arrivals=arrival(last), daily_series=silent_since(last))
    assert (found.status, found.value) == ("error", 24 * 70 + 4)


def test_a_small_shop_may_be_silent_for_as_long_as_chance_explains():
    series = orders(lambda when: 1 if when <= day(3) else 0)
    assert only("C01", source_arrivals=arrival(day(3)), daily_series=series).status == "pass"
    series = orders(lambda when: 1 if when <= day(12) else 0)
    assert only("C01", source_arrivals=arrival(day(12)), daily_series=series).status == "error"


def test_a_shop_with_an_order_a_week_is_judged_by_all_its_days():
    rare = orders(lambda when: int(when.toordinal() % 9 == 0) if when < day(120) else 0)
    last = max(row["date_day"] for row in rare if row["value"])
    assert only("C01", source_arrivals=arrival(last), daily_series=rare).status == "error"


def test_no_order_at_all_is_an_error():
    nothing = [{"source": "orders", "row_count": 0, "newest_at": None}]
    assert only("C01", source_arrivals=nothing).status == "error"


# C02


def flat(today: int, before: int = 100):
    return orders(lambda when: today if when == AS_OF else before)


def test_orders_of_the_day_by_hand():
    # As in test_statistics: 50 against eight times 100 gives z = -6.0405 and -49.8 %.
    found = only("C02", daily_series=flat(50))
    assert found.value == pytest.approx(6.0405, abs=1e-4)
    assert found.effect == pytest.approx(50.5 / 100.5 - 1)
    assert (found.status, found.blocks, found.reference_count) == ("error", "publication", 8)


@pytest.mark.parametrize(
    ("today", "status"), [(60, "warn"), (75, "pass"), (170, "warn"), (250, "error"), (0, "error")]
)
def test_orders_of_the_day_alarm_by_size(today, status):
    assert only("C02", daily_series=flat(today)).status == status


def test_a_large_shop_is_not_alarmed_by_small_deviations():
    # 14 % of 100,000 is 3.9 usual deviations by the relative floor, and below 15 % in any case.
    found = only("C02", daily_series=flat(86_000, 100_000), definitions=None)
    assert found.status == "pass"


def test_few_orders_may_be_chance():
    # Nothing where 6 are to be expected is 5 usual deviations of a logarithm, and has a chance of
    # 0.2 %; one where 14 are to be expected has one of 0.001 %.
    channel = [
        row
        for name, usual, today in (("small", 6, 0), ("large", 14, 1))
        for row in counts(
            "channel_orders", name, lambda when, u=usual, t=today: t if when == AS_OF else u
        )
    ]
    found = results("C02", daily_series=[*orders(usual_orders), *channel])
    assert number(found["channel small"].value) > 4
    assert found["channel small"].status == "pass"
    assert found["channel large"].status == "warn"


def test_an_empty_day_is_an_error_even_where_counts_vary_wildly():
    wild = orders(lambda when: 0 if when == AS_OF else (2, 60, 11, 300)[when.toordinal() % 4])
    found = only("C02", daily_series=wild)
    assert number(found.value) < 6
    assert found.status == "error"


def test_only_orders_hold_the_night():
    empty = [
        *orders(usual_orders),
        *counts("new_customers", "all", lambda when: 0 if when == AS_OF else 40),
        *counts("channel_orders", "web", lambda when: 5 if when == AS_OF else 400),
    ]
    found = results("C02", daily_series=empty)
    assert {key: (one.status, one.blocks) for key, one in found.items()} == {
        "orders": ("pass", "publication"),
        "new_customers": ("warn", "none"),
        "channel web": ("warn", "none"),
    }


def test_a_promotion_is_not_judged_and_does_not_spoil_the_reference():
    promotion = [{"date_day": AS_OF, "kind": "promotion", "name": "Sale"}]
    found = only("C02", daily_series=flat(400), calendar_days=promotion)
    assert found.status == "insufficient_data"
    assert only("C02", daily_series=flat(400)).status == "error"
    # It brings orders, and explains no loss.
    assert only("C02", daily_series=flat(0), calendar_days=promotion).status == "error"
    assert only("C02", daily_series=flat(60), calendar_days=promotion).status == "warn"
    past = [{"date_day": day(7), "kind": "promotion", "name": "Sale"}]
    found = only("C02", daily_series=flat(100), calendar_days=past)
    assert (found.status, found.reference_count) == ("pass", 7)


def test_closed_days_of_the_past_are_left_out():
    closed = [{"date_day": day(7 * week), "kind": "closed", "name": "Closed"} for week in (1, 2)]
    series = orders(lambda when: 0 if when in (day(7), day(14)) else 100)
    found = only("C02", daily_series=series, calendar_days=closed)
    assert (found.status, found.reference_count, found.effect) == ("pass", 6, 0)
    more = [*closed, {"date_day": day(21), "kind": "closed", "name": "Closed"}]
    assert only("C02", daily_series=series, calendar_days=more).status == "insufficient_data"


@pytest.mark.parametrize(("age", "status"), [(55, "insufficient_data"), (56, "pass")])
def test_orders_need_eight_weeks(age, status):
    series = [row for row in flat(100) if row["date_day"] >= day(age)]
    assert only("C02", daily_series=series).status == status


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 400), st.integers(20, 300))
def test_fewer_orders_are_never_a_lesser_alarm(today, before):
    rank = ("pass", "warn", "error").index
    low = only("C02", daily_series=flat(min(today, before), before))
    lower = only("C02", daily_series=flat(min(today, before) // 2, before))
    assert rank(lower.status) >= rank(low.status)


# C03 to C07


@pytest.mark.parametrize(
    ("column", "rows", "subject", "status"),
    [
        ("duplicate_rows", 1, "orders: repeated", "warn"),
        ("duplicate_rows", 30_000, "orders: repeated", "warn"),
        ("conflicting_rows", 1, "orders: contradicting", "warn"),
        ("conflicting_rows", 60, "orders: contradicting", "warn"),
        ("conflicting_rows", 61, "orders: contradicting", "error"),
        ("null_key_rows", 2, "orders: without key", "warn"),
    ],
)
def test_keys(column, rows, subject, status):
    # 60 of 60,100 rows are 0.0998 %, 61 are 0.1015 %.
    found = results("C03", intake=rows_with("intake", **{column: rows}))
    assert found[subject].status == status
    assert {one.status for key, one in found.items() if key != subject} == {"pass"}


@pytest.mark.parametrize(
    ("received", "rejected", "status"),
    [
        (1000, 5, "pass"),
        (1000, 6, "warn"),
        (1000, 20, "warn"),
        (1000, 21, "error"),
        (100, 19, "warn"),
        (100, 20, "error"),
        (0, 0, "pass"),
    ],
)
def test_rejected_rows(received, rejected, status):
    table = rows_with("intake", received_rows=received, rejected_rows=rejected)
    assert only("C04", intake=table).status == status


def test_a_bad_file_among_good_ones_is_named():
    good = rows_with("intake")[0]
    bad = good | {"file": "late.csv", "received_rows": 100, "rejected_rows": 50}
    found = results("C04", intake=[good, bad])
    assert {key: one.status for key, one in found.items()} == {
        "orders": "pass",
        "orders: late.csv": "error",
    }


@pytest.mark.parametrize(
    ("problem", "subject", "status"),
    [
        ("extra", "unknown", "warn"),
        ("missing", "missing or retyped", "error"),
        ("retyped", "missing or retyped", "error"),
    ],
)
def test_columns(problem, subject, status):
    row = {
        "source": "orders",
        "column_name": "amount",
        "problem": problem,
        "expected": "decimal",
        "found": "text",
    }
    found = results("C05", schema_problems=[row])
    assert found[subject].status == status
    assert "orders.amount" in found[subject].message
    assert sum(one.status == "pass" for one in found.values()) == 1


def test_a_cent_is_missed():
    table = rows_with("conservation")
    table[1]["right_value"] += Decimal("0.0001")
    found = results("C06", conservation=table)
    assert found["orders_money"].status == "error"
    assert found["orders_money"].value == pytest.approx(0.0001)
    assert found["orders_rows"].status == "pass"


@pytest.mark.parametrize(
    ("arrived", "late", "status"),
    [
        (100, 2, "pass"),
        # Six of a hundred at 2 % have a chance of 1.5 %, seven of 0.4 %.
        (100, 6, "pass"),
        (100, 7, "warn"),
        (100, 10, "warn"),
        (10_000, 201, "pass"),
        (10_000, 250, "warn"),
        (100, 11, "error"),
        (49, 49, "insufficient_data"),
        (0, 0, "insufficient_data"),
    ],
)
def test_late_orders(arrived, late, status):
    table = [{"arrived_orders": arrived, "late_orders": late}]
    assert only("C07", late_arrivals=table).status == status


# C10 to C14


def test_drift_by_hand():
    # Ten bins of 100 against 190 and 10 in turn:
    # p = 100.5/1005 = 0.1; q = 190.5/1005 and 10.5/1005; PSI = 5 (0.0896 ln 1.8955 + ...)
    high, low = 190.5 / 1005, 10.5 / 1005
    expected = 5 * ((high - 0.1) * math.log(high / 0.1) + (low - 0.1) * math.log(low / 0.1))
    table = bins("recency", "scorecard", [100] * 10, [190, 10] * 5)
    found = only("C10", drift_bins=table)
    assert found.value == pytest.approx(expected, rel=1e-12)
    assert (found.status, found.warn_threshold, found.error_threshold) == ("error", 0.10, 0.25)
    assert found.details["expected"] == pytest.approx(9 * 2 / 1000)


def test_limits_of_drift_grow_as_the_numbers_shrink():
    reference, current = [20] * 10, [20, 30, 12, 20, 28, 12, 24, 14, 26, 14]
    found = only("C10", drift_bins=bins("recency", "scorecard", reference, current))
    limit = psi_limit(10, 200, 200, 0.001)
    assert found.warn_threshold == pytest.approx(limit)
    assert limit == pytest.approx(0.27877, abs=1e-5)
    assert 0.10 < psi(reference, current) < limit
    assert found.status == "pass"


@pytest.mark.parametrize("factor", [1, 10])
def test_drift_needs_two_hundred_on_each_side(factor):
    table = bins("recency", "scorecard", [100] * 10, [19 * factor] * 10)
    assert only("C10", drift_bins=table).status == ("insufficient_data" if factor == 1 else "pass")


def test_equal_values_cannot_be_compared():
    table = bins("frequency", "scorecard", [1000], [1000])
    assert only("C10", drift_bins=table).status == "insufficient_data"


def test_cents_for_dollars_in_the_flow():
    table = bins("order_value", "flow", [300] * 10, [0] * 9 + [3000])
    assert only("C11", drift_bins=table).status == "error"
    assert only("C10", drift_bins=table).status == "insufficient_data"


def day_of(count: int, **changes: float) -> list[dict[str, Any]]:
    base = {"current_count": count, "reference_count": 3000}
    return [location("order_value", "day", **base, **changes)]


@pytest.mark.parametrize("count", [5, 20, 100, 3000])
def test_cents_for_dollars_are_an_error_on_the_first_day(count):
    found = results("C12", drift_locations=day_of(count, current_median=5000, current_mean=6000))
    assert {one.status for one in found.values()} == {"error"}


@pytest.mark.parametrize("count", [20, 100, 3000])
def test_a_tenth_of_the_orders_in_cents_shows_in_the_mean(count):
    found = results("C12", drift_locations=day_of(count, current_mean=60 * 10.9))
    assert found["order_value, day: mean"].status == "error"
    assert found["order_value, day: median"].status == "pass"


def test_shift_of_the_median_by_hand():
    # 8 more with a MAD of 15 is 8 / (1.4826 * 15) = 0.3597 usual deviations.
    found = results("C12", drift_locations=[location("monetary", "scorecard", current_median=58)])
    shift = found["monetary, scorecard: median"]
    assert shift.value == pytest.approx(8 / (1.4826 * 15))
    assert (shift.status, shift.warn_threshold) == ("warn", 0.25)


@pytest.mark.parametrize(
    ("mean", "status"), [(48, "pass"), (47, "warn"), (75, "pass"), (76, "warn"), (29, "error")]
)
def test_ratio_of_means(mean, status):
    # From 60: 48 and 75 are ratios of exactly 1.25, 30 is one of 2.
    found = results("C12", drift_locations=[location("monetary", "scorecard", current_mean=mean)])
    assert found["monetary, scorecard: mean"].status == status


def test_few_orders_widen_the_limits():
    # exp(4 * sqrt(1/3000 + 1/9) * 30/60) = 1.9497
    found = results("C12", drift_locations=day_of(9, current_mean=60 * 1.9, current_median=70))
    mean = found["order_value, day: mean"]
    assert mean.warn_threshold == pytest.approx(1.9497, abs=1e-4)
    assert mean.status == "pass"
    assert found["order_value, day: median"].status == "pass"


def test_equal_prices_that_all_change_are_an_error():
    same = {"reference_mad": 0, "reference_stddev": 0, "current_stddev": 0, "reference_mean": 50}
    table = [location("order_value", "day", **same, current_mean=50)]
    assert {one.status for one in results("C12", drift_locations=table).values()} == {"pass"}
    table = [location("order_value", "day", **same, current_median=5000, current_mean=5000)]
    assert {one.status for one in results("C12", drift_locations=table).values()} == {"error"}


@pytest.mark.parametrize(
    ("empty", "status"), [(30, "pass"), (69, "pass"), (70, "warn"), (181, "error")]
)
def test_columns_that_become_empty(empty, status):
    # 70 less 30 of 3,000 are 1.33 points; four standard errors at 1.67 % are 1.32.
    table = rows_with("nulls", current_nulls=empty)
    found = only("C13", nulls=table)
    assert found.value == pytest.approx(abs(empty - 30) / 3000)
    assert found.status == status


def test_a_column_that_fills_up_only_warns():
    table = rows_with("nulls", reference_nulls=3000, current_nulls=0)
    assert only("C13", nulls=table).status == "warn"


def test_channels_that_appear_and_vanish():
    table = bins("channel", "flow", [900, 100, 0, 0, 9], [900, 0, 100, 4, 0])
    found = results("C14", drift_bins=table)
    assert {key: one.status for key, one in found.items()} == {
        "channel edge 1": "warn",
        "channel edge 2": "warn",
        "segments": "pass",
    }


def test_a_segment_that_empties_is_an_error():
    sizes = [
        row
        for row in healthy_tables()["segment_daily_metrics"]
        if (row["date_day"], row["segment"]) != (AS_OF, "champions")
    ]
    assert results("C14", segment_daily_metrics=sizes)["segment champions"].status == "error"


# C20 to C24


def week(leaving: float, before: float = 0.08) -> list[dict[str, Any]]:
    usual = transitions(before, horizon_days=7, blocks=9)
    now = transitions(leaving, horizon_days=7, blocks=1)
    return [*now, *(row for row in usual if row["block"])]


def test_moves_by_hand():
    # 8 % left before, 16 % now: of every start segment 8 % ended elsewhere than usual.
    found = only("C20", transitions=week(0.16))
    assert found.value == pytest.approx(0.08, abs=0.002)
    assert number(found.p_value) < 1e-12
    assert found.status == "error"
    assert found.details["df"] == 2 * len(SEGMENTS)


def test_moves_that_differ_a_little_warn_by_significance_alone():
    rows = [row | {"customers": 4 * row["customers"]} for row in week(0.102)]
    found = only("C20", transitions=rows)
    assert 0.01 < number(found.value) < 0.03
    assert number(found.p_adjusted) < 0.001
    assert found.status == "warn"
    assert only("C20", transitions=week(0.084)).status == "pass"


def test_weeks_that_always_differ_make_a_difference_less_of_an_alarm():
    def rows(*shares: float) -> list[dict[str, Any]]:
        return [
            row
            for block, share in enumerate(shares)
            for row in transitions(share, horizon_days=7, blocks=9)
            if row["block"] == block
        ]

    calm = only("C20", transitions=rows(0.16, *[0.08] * 8))
    assert (calm.status, calm.details["dispersion"]) == ("error", 1)
    # Every other week half as many customers again: what happened before is no alarm now.
    restless = only("C20", transitions=rows(0.16, *[0.08, 0.14] * 4))
    assert restless.details["dispersion"] > 3
    assert number(restless.effect) > 60
    assert restless.status == "pass"


def test_moves_of_a_small_shop_may_be_chance():
    rows = [row | {"customers": max(1, row["customers"] // 20)} for row in week(0.2, before=0.1)]
    found = only("C20", transitions=rows)
    assert number(found.value) > 0.03
    assert found.status == "pass"


def test_moves_need_all_weeks():
    rows = [row for row in week(0.16) if row["block"] != 5]
    assert only("C20", transitions=rows).status == "insufficient_data"


def new_definition(kind: str, *first_used: date) -> list[dict[str, Any]]:
    return [
        {
            "definition_type": kind,
            "definition_id": f"new {when}",
            "content_hash": "x",
            "first_used_on": when,
        }
        for when in first_used or (AS_OF,)
    ]


@pytest.mark.parametrize(
    ("check_id", "tables", "status", "days"),
    [
        ("C20", {"transitions": week(0.16)}, "pass", 7),
        ("C31", {"transitions": transitions(0.2, horizon_days=1)}, "warn", 1),
        (
            "C32",
            {
                "transitions": [
                    *transitions(0.45, blocks=1),
                    *(row for row in transitions(0.3) if row["block"]),
                ]
            },
            "pass",
            30,
        ),
        (
            "C34",
            {"flapping": [{"segment": "champions", "customers": 1000, "flapping": 90}]},
            "pass",
            14,
        ),
    ],
)
def test_a_scheduled_scorecard_is_no_error_and_new_rules_are(check_id, tables, status, days):
    def found(kind: str, *first_used: date) -> Any:
        log = new_definition(kind, *first_used)
        return next(iter(results(check_id, **tables, definition_log=log).values()))

    for when in (AS_OF, day(days - 1)):
        scheduled = found("scorecard", when)
        assert (scheduled.status, scheduled.error_threshold) == (status, None)
        assert "as scheduled" in scheduled.message
    assert found("segment_rules").status == "error"
    assert found("scorecard", day(days)).status == "error"


def test_a_name_of_two_scorecards_announces_nothing():
    log = [*new_definition("scorecard", day(100)), *new_definition("scorecard", AS_OF)]
    twice = [row | {"definition_id": "calibrated-2026-03-31"} for row in log]
    assert only("C20", transitions=week(0.16), definition_log=log).status == "pass"
    assert only("C20", transitions=week(0.16), definition_log=twice).status == "error"


def test_weeks_in_which_cut_points_moved_are_no_reference():
    # The third week before moved everybody; taken for usual it would hide and feign changes.
    rows = [
        *(row for row in week(0.08) if row["block"] != 3),
        *(row for row in transitions(0.9, horizon_days=7, blocks=9) if row["block"] == 3),
    ]
    assert only("C20", transitions=rows).status != "pass"
    log = new_definition("scorecard", day(22))
    assert only("C20", transitions=rows, definition_log=log).status == "pass"
    monthly = new_definition("scorecard", *(day(back) for back in range(7, 50, 7)))
    found = only("C20", transitions=rows, definition_log=monthly)
    assert found.status == "insufficient_data"


def test_months_in_which_cut_points_moved_are_no_reference():
    rows = [
        *(row for row in transitions(0.3) if row["block"] < 3),
        *(row for row in transitions(0.5) if row["block"] >= 3),
    ]
    assert only("C32", transitions=rows).status != "pass"
    log = new_definition("scorecard", *(day(30 * block + 5) for block in (3, 4, 5)))
    assert only("C32", transitions=rows, definition_log=log).status == "pass"
    log = new_definition("scorecard", *(day(30 * block + 5) for block in (3, 4, 5, 6)))
    found = only("C32", transitions=rows, definition_log=log)
    assert found.status == "insufficient_data"


def cohorts(now: tuple[int, int], before: tuple[int, int] = (150, 30)) -> list[dict[str, Any]]:
    return [
        {"block": block, "segment": segment, "customers": customers}
        for block in range(9)
        for segment, customers in zip(
            ("new_customers", "potential_loyalists"), now if block == 0 else before, strict=True
        )
    ]


@pytest.mark.parametrize(
    ("now", "status"),
    [
        ((150, 30), "pass"),
        ((130, 60), "warn"),
        ((60, 120), "error"),
        ((10, 15), "insufficient_data"),
        ((20, 15), "warn"),
    ],
)
def test_new_customers_are_others(now, status):
    assert only("C21", cohorts=cohorts(now)).status == status


def sizes(**now: int) -> list[dict[str, Any]]:
    return [
        row | {"customers": now.get(row["segment"], row["customers"])}
        if row["date_day"] == AS_OF
        else row
        for row in healthy_tables()["segment_daily_metrics"]
    ]


def test_weekly_change_of_a_share_by_hand():
    constant = [
        row | {"customers": SEGMENTS[row["segment"]][1]}
        for row in healthy_tables()["segment_daily_metrics"]
    ]
    table = [
        row | {"customers": 300}
        if (row["date_day"], row["segment"]) == (AS_OF, "champions")
        else row
        for row in constant
    ]
    found = results("C22", segment_daily_metrics=table)["champions"]
    change = math.log(300.5 / 4000.5) - math.log(600.5 / 4300.5)
    scale = math.sqrt(1 / 600.5 + 0.03**2) * math.sqrt(1 + 1.57 / 8)
    assert found.value == pytest.approx(-change / scale)
    assert found.effect == pytest.approx(math.exp(change) - 1)
    assert (found.status, found.blocks, found.subject) == ("error", "audience", "champions")


def test_weekly_change_needs_nine_weeks():
    table = [row for row in sizes() if row["date_day"] > day(60)]
    assert only("C22", segment_daily_metrics=table).status == "insufficient_data"


def test_largest_change_of_a_share_by_hand():
    # 600 of about 4,310 become 900 of about 4,610: 19.5 % less 13.9 % are 5.6 points.
    found = results("C23", segment_daily_metrics=sizes(champions=900))["champions"]
    assert found.value == pytest.approx(900 / 4610 - 601 / 4308, abs=0.001)
    assert found.status == "warn"
    assert (
        results("C23", segment_daily_metrics=sizes(champions=1200))["champions"].status == "error"
    )


@pytest.mark.parametrize("column", ["without_segment", "unknown_segment", "without_stage"])
def test_a_customer_without_a_label_holds_everything(column):
    found = only("C24", unmapped=rows_with("unmapped", **{column: 1}))
    assert (found.status, found.blocks, found.value) == ("error", "publication", 1)


# C30 to C38


def moved(share: str, customers: int = 1000) -> list[dict[str, Any]]:
    """A month in which exactly a share of the customers changed segment."""
    gone = round(float(share) * customers)
    return [
        {
            "horizon_days": 30,
            "block": block,
            "from_segment": "champions",
            "to_segment": target,
            "customers": count,
        }
        for block in range(4)
        for target, count in (("champions", customers - gone), ("at_risk", gone))
    ]


@pytest.mark.parametrize(
    ("share", "status"),
    [("0.40", "pass"), ("0.401", "warn"), ("0.499", "warn"), ("0.5", "error"), ("0.7", "error")],
)
def test_half_of_the_customers_is_an_error(share, status):
    found = only("C30", transitions=moved(share))
    assert (found.value, found.status) == (float(share), status)


def test_movement_says_when_only_the_cut_points_moved():
    found = only("C30", transitions=moved("0.6"), moves_by_cause=causes(30, recalibrated=600))
    assert "only because the cut points moved" in found.message
    assert found.details["share_by_definitions"] == 1
    found = only(
        "C30", transitions=moved("0.6"), moves_by_cause=causes(30, aged=400, recalibrated=200)
    )
    assert "33.3 % because the cut points moved" in found.message
    assert found.details["causes"]["recalibrated"] == 200
    found = only("C30", transitions=moved("0.6"), moves_by_cause=causes(30, aged=600))
    assert "cut points" not in found.message


@pytest.mark.parametrize(
    ("check_id", "tables"),
    [
        ("C21", {"cohorts": cohorts((60, 120))}),
        ("C34", {"flapping": [{"segment": "champions", "customers": 1000, "flapping": 90}]}),
        ("C41", {"segment_daily_metrics": sizes(**dict.fromkeys(SEGMENTS, 0) | {"champions": 9})}),
        ("C42", {"segment_moments": rows_with("segment_moments", mean=1.0)}),
    ],
)
def test_the_first_four_weeks_are_too_few_for_an_error(check_id, tables):
    assert "error" in {one.status for one in results(check_id, **tables).values()}
    for age, is_young in ((27, True), (28, False)):
        series = [row for row in orders(usual_orders) if row["date_day"] >= day(age)]
        found = {one.status for one in results(check_id, **tables, daily_series=series).values()}
        assert (found == {"insufficient_data"}) == is_young


def test_movement_of_a_young_shop_only_warns():
    rows = [row for row in moved("0.7") if row["block"] < 2]
    assert only("C30", transitions=rows).status == "warn"
    assert only("C30", transitions=[]).status == "insufficient_data"
    assert only("C30", transitions=moved("0.7", 99)).status == "insufficient_data"


@pytest.mark.parametrize(
    ("leaving", "status"), [(0.05, "pass"), (0.06, "warn"), (0.1, "warn"), (0.12, "error")]
)
def test_movement_of_a_day(leaving, status):
    table = transitions(leaving, horizon_days=1, blocks=1)
    assert only("C31", transitions=table).status == status


@pytest.mark.parametrize(
    ("leaving", "status"), [(0.3, "pass"), (0.35, "pass"), (0.39, "warn"), (0.45, "error")]
)
def test_mobility_against_half_a_year(leaving, status):
    table = [*transitions(leaving, blocks=1), *(r for r in transitions(0.3) if r["block"])]
    found = only("C32", transitions=table)
    assert found.status == status
    now = found.details["now"]
    assert now["shorrocks"] == pytest.approx(leaving * 6 / 5, abs=0.005)
    assert found.effect in now.values()


def test_mobility_of_few_customers_may_be_chance():
    # 15 of 40 leave instead of 12: 25 % more, and the standard error is 18 %.
    table = [
        {
            "horizon_days": 30,
            "block": block,
            "from_segment": start,
            "to_segment": end,
            "customers": gone if start != end else 40 - gone,
        }
        for block in range(7)
        for gone in (12 if block else 15,)
        for start in "ab"
        for end in "ab"
    ]
    few = {"C32": replace(DEFINITIONS["C32"], min_reference=50, min_current=50)}
    found = judge(night(transitions=table), few)["C32"]
    assert {one.status for one in found} == {"pass"}
    assert [one.value for one in found] == pytest.approx([0.25])
    assert judge(night(transitions=table), few)["C32"] == found


@pytest.mark.parametrize(
    ("compared", "differing", "value"),
    [(CUSTOMERS, 1, 1), (CUSTOMERS - 3, 0, 3), (CUSTOMERS, 0, 0)],
)
def test_labels_computed_anew(compared, differing, value):
    table = rows_with("recompute", compared=compared, differing=differing)
    found = only("C33", recompute=table)
    assert found.value == value
    assert found.status == ("error" if value else "pass")


@pytest.mark.parametrize(
    ("customers", "back", "status"),
    [
        (1000, 20, "pass"),
        (1000, 21, "warn"),
        (1000, 50, "warn"),
        (1000, 51, "error"),
        (99, 99, "insufficient_data"),
    ],
)
def test_flapping(customers, back, status):
    table = [{"segment": "champions", "customers": customers, "flapping": back}]
    assert only("C34", flapping=table).status == status


def test_a_forbidden_move_is_named():
    table = [{"rule": "segment a > b", "moves": 1}, {"rule": "stage x > y", "moves": 0}]
    found = only("C35", forbidden_moves=table)
    assert (found.status, found.value) == ("error", 1)
    assert "segment a > b" in found.message
    assert only("C35", forbidden_moves=[]).status == "pass"


def published(**hashes: str) -> list[dict[str, Any]]:
    return [
        row | {"content_hash": hashes.get(row["definition_type"], row["content_hash"])}
        for row in healthy_tables()["definition_log"]
    ]


def test_rules_rewritten_in_place_are_an_error_and_recut_scorecards_warn():
    assert {one.status for one in results("C38").values()} == {"pass"}
    same = results("C38", published_definitions=published())
    assert {one.status for one in same.values()} == {"pass"}
    found = results("C38", published_definitions=published(segment_rules="other"))
    assert (found["rules"].status, found["scorecards"].status) == ("error", "pass")
    found = results("C38", published_definitions=published(scorecard="other"))
    assert (found["rules"].status, found["scorecards"].status) == ("pass", "warn")


def test_late_orders_may_still_change_a_new_scorecard():
    def status(days: int) -> str:
        log = new_definition("scorecard", day(days))
        other = [log[0] | {"content_hash": "y"}]
        found = results("C38", definition_log=log, published_definitions=other)["scorecards"]
        assert ("late orders still change" in found.message) == (found.status == "pass")
        return found.status

    assert [status(days) for days in (0, 13, 14)] == ["pass", "pass", "warn"]


def test_new_definitions_pass_and_are_told():
    found = results("C38", published_definitions=published()[:1])
    assert {one.status for one in found.values()} == {"pass"}
    assert "default@2000-01-01" in found["rules"].message


# C40 to C46


@pytest.mark.parametrize(
    ("customers", "status"),
    [(100, "pass"), (99, "warn"), (30, "warn"), (29, "error"), (0, "error")],
)
def test_size_of_a_segment(customers, status):
    found = results("C40", segment_daily_metrics=sizes(champions=customers))["champions"]
    assert (found.status, found.blocks) == (status, "audience")


def test_a_segment_below_one_per_cent_warns():
    found = results("C40", segment_daily_metrics=sizes(champions=150, hibernating=90_000))
    assert found["champions"].status == "warn"
    assert found["champions"].warn_threshold == math.ceil(0.01 * (92_953))


@pytest.mark.parametrize(
    ("live", "status"),
    [(1, "error"), (2, "warn"), (3, "pass"), (8, "pass"), (9, "warn"), (20, "warn"), (21, "error")],
)
def test_number_of_segments(live, status):
    table = [{"date_day": AS_OF, "segment": f"s{n:02}", "customers": 100} for n in range(live)]
    found = results("C41", segment_daily_metrics=table, definitions=[])
    assert found["segments"].status == status


def test_a_segment_that_holds_nearly_all():
    found = results("C41", segment_daily_metrics=sizes(hibernating=9000))
    assert found["largest"].status == "warn"


@pytest.mark.parametrize(("spread", "status"), [(0.5, "pass"), (10.0, "warn"), (30.0, "error")])
def test_variance_between_segments(spread, status):
    # The means vary by 60400/4300 - (14400/4300)^2 = 2.8318.
    found = results("C42", segment_moments=rows_with("segment_moments", variance=spread))
    assert found["recency"].value == pytest.approx(2.8318 / (2.8318 + spread), abs=1e-5)
    assert {one.status for one in found.values()} == {status}


def responses(shares: dict[str, float], customers: int = 1000) -> dict[str, list[dict[str, Any]]]:
    return {
        "responses": [
            {"segment": name, "customers": customers, "bought_again": round(share * customers)}
            for name, share in shares.items()
        ],
        "response_bins": [
            {"segment": name, "bin": place, "customers": count}
            for name, share in shares.items()
            for place, count in (
                (0, customers - round(share * customers)),
                (4, round(share * customers)),
            )
        ],
    }


def test_segments_that_respond_alike_warn():
    # 30 % and 10 % of 1,000: X2 = 125 with one degree, V = sqrt((0.0625 - 1/1999) / (1 - ...)).
    found = only("C43", **responses({"a": 0.3, "b": 0.1}))
    assert found.effect == pytest.approx(125)
    assert found.value == pytest.approx(0.249, abs=1e-3)
    assert found.status == "pass"
    assert only("C43", **responses({"a": 0.3, "b": 0.3})).status == "warn"
    assert only("C43", **responses({"a": 0.30, "b": 0.26})).status == "warn"
    assert only("C43", **responses({"a": 0.3, "b": 0.1}, 99)).status == "insufficient_data"


def test_a_pair_that_cannot_be_told_apart_is_named():
    found = only("C44", **responses({"a": 0.3, "b": 0.3, "c": 0.05}))
    assert (found.status, found.value, found.effect) == ("warn", 0, 1)
    assert [(pair["first"], pair["second"]) for pair in found.details["pairs"]] == [("a", "b")]
    assert "a and b" in found.message
    found = only("C44", **responses({"a": 0.3, "b": 0.2, "c": 0.05}))
    assert (found.status, found.details["pairs"]) == ("pass", [])
    assert only("C44", **responses({"a": 0.3, "b": 0.3}, 99)).status == "insufficient_data"


def test_equal_rates_with_unlike_revenue_are_not_alike():
    tables = responses({"a": 0.3, "b": 0.3})
    for row in tables["response_bins"]:
        if (row["segment"], row["bin"]) == ("b", 4):
            row["bin"] = 9
    found = only("C44", **tables)
    assert (found.status, found.value) == ("pass", 1)


def futures(**means: float) -> list[dict[str, Any]]:
    return [
        row | {"mean_revenue": means.get(row["segment"], row["mean_revenue"])}
        for row in healthy_tables()["futures"]
    ]


def test_an_inverted_rank_warns_when_it_is_no_chance():
    assert only("C46").status == "pass"
    found = only("C46", futures=futures(hibernating=70.0))
    # Above new customers (40) and potential loyalists (60); at risk (80) brings more.
    assert (found.status, found.value) == ("warn", 2)
    # 61 against 60 with a standard error of 1.3 is chance.
    assert only("C46", futures=futures(new_customers=61.0)).status == "pass"
    few = [row | {"customers": 29} for row in futures()]
    assert only("C46", futures=few).status == "insufficient_data"


# C50 to C54


def noisy(seed: int, slope: float = 0.0, since: int = 21) -> list[dict[str, Any]]:
    generator = np.random.default_rng(seed)
    lost = {day(back): (1 - slope) ** (since - back) for back in range(since)}

    def count(when: date) -> int:
        mean = WEEK_BASE[when.weekday()] * lost.get(when, 1.0)
        return int(generator.poisson(mean) * generator.normal(1, 0.03))

    return orders(count)


WEEK_BASE = (300, 310, 290, 300, 350, 450, 380)


@pytest.mark.parametrize("seed", range(5))
def test_slow_losses_add_up(seed):
    calm = only("C50", daily_series=noisy(seed))
    assert calm.status == "pass"
    found = only("C50", daily_series=noisy(seed, slope=0.012))
    assert found.status == "warn"
    assert "fewer orders" in found.message
    assert (found.blocks, found.error_threshold) == ("none", None)


def test_the_limit_of_the_sums_is_earned_by_the_series():
    restless = orders(lambda when: 500 if (when.toordinal() // 14) % 6 == 0 else 300)
    calm = only("C50", daily_series=orders(usual_orders))
    found = only("C50", daily_series=restless)
    assert calm.warn_threshold == 8
    assert number(found.warn_threshold) > 8


def test_an_outage_of_a_day_is_no_slow_drift():
    out = orders(lambda when: 0 if when == day(2) else usual_orders(when))
    assert only("C50", daily_series=out).status == "pass"


@pytest.mark.parametrize(("age", "status"), [(262, "insufficient_data"), (263, "pass")])
def test_slow_drift_needs_half_a_year(age, status):
    # 56 days to compare with, 180 to replay, 28 to sum.
    series = [row for row in orders(usual_orders) if row["date_day"] >= day(age)]
    assert only("C50", daily_series=series).status == status


def test_tests_of_the_day_are_corrected_together():
    found = judge(night(transitions=week(0.16), cohorts=cohorts((130, 60))))
    tested = [one for key in ("C10", "C11", "C20", "C21") for one in found[key]]
    p_values = sorted(number(one.p_value) for one in tested)
    (moves,), (new,) = found["C20"], found["C21"]
    # The smallest two of seven: p 7 / rank, never above that of the next.
    assert moves.p_adjusted == pytest.approx(p_values[0] * len(tested))
    assert new.p_adjusted == pytest.approx(p_values[1] * len(tested) / 2)
    (family,) = found["C51"]
    assert (family.value, family.current_count, family.status) == (2, len(tested), "pass")
    assert found["C43"][0].p_adjusted == found["C43"][0].p_value


def test_without_tests_there_is_nothing_to_correct():
    one = judge(night(), {key: DEFINITIONS[key] for key in ("C24", "C51")})
    assert one["C51"][0].status == "insufficient_data"


@pytest.mark.parametrize(
    ("days", "status"), [(90, "pass"), (91, "warn"), (548, "warn"), (549, "error"), (-5, "pass")]
)
def test_review_of_definitions(days, status):
    table = rows_with("definitions")
    table[2]["reviewed_on"] = day(days)
    assert only("C52", definitions=table).status == status
    table[3]["reviewed_on"] = None
    assert only("C52", definitions=table).status == "warn"


@pytest.mark.parametrize(
    ("days", "status"), [(0, "pass"), (7, "pass"), (8, "warn"), (31, "warn"), (32, "error")]
)
def test_age_of_what_is_published(days, status):
    table = [{"as_of_date": AS_OF, "published_as_of": day(days)}]
    found = only("C53", published_as_of=table)
    assert (found.status, found.blocks) == (status, "none")
    assert only("C53", published_as_of=[]).status == "insufficient_data"


@pytest.mark.parametrize(
    ("column", "text"),
    [("objective", ""), ("objective_metric", "tbd"), ("objective_target", "more")],
)
def test_a_segment_without_an_aim_warns(column, text):
    table = rows_with("definitions")
    table[1][column] = text
    found = only("C54", definitions=table)
    assert (found.status, found.value) == ("warn", 1)
    assert found.details["segments"] == ["loyal_customers"]


# The calendar that is learned


def test_expected_orders_are_the_mean_of_the_weekday():
    series = DailySeries(day(27), np.array([float(n % 7) for n in range(28)]))
    open_days = OpenDays(series)
    assert [open_days.expected(AS_OF + timedelta(days=n)) for n in range(1, 8)] == [
        0, 1, 2, 3, 4, 5, 6,
    ]  # fmt: skip
    assert open_days.is_closed(day(27))
    assert not open_days.is_closed(day(26))


def test_an_outage_among_closed_days_is_no_holiday():
    start = date(2024, 1, 1)
    values = np.full(800, 50.0)
    values[100:170] = 0
    open_days = OpenDays(DailySeries(start, values))
    # In the middle of ten empty weeks the same weekday was empty around, so nothing is learned.
    assert not open_days.is_holiday(date(2025, 1, 1) + timedelta(days=134))
    values[100:170] = 50
    values[134] = 0
    assert OpenDays(DailySeries(start, values)).is_holiday(date(2025, 1, 1) + timedelta(days=133))


def test_leap_days_have_no_day_a_year_before():
    start = date(2023, 1, 1)
    open_days = OpenDays(DailySeries(start, np.full(500, 9.0)))
    assert not open_days.is_holiday(date(2024, 2, 29))
