"""The report: figures and words as pure functions, the page as a browser and a hostile feed see it.

Every browser test opens the file as a person would, in a real Chromium, and fails without one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import date
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import sync_playwright

from orchestration.report import (
    drawing,
    figures_audiences,
    figures_history,
    figures_today,
    findings,
    findings_audiences,
    findings_campaigns,
    words,
    write_report,
)
from orchestration.report.page import TEMPLATES, figures_json
from orchestration.report.queries import read_contents
from orchestration.report.queries_audiences import Audiences
from orchestration.report.segments import known_segments
from orchestration.warehouse import WarehouseError
from tests.published_file import AS_OF, OLD_TABLES, SEGMENTS, TABLES, build

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

HOSTILE = (
    "</script><script>document.title='owned'</script><img src=http://evil.example/x.png"
    " onerror=alert(1)> <a href='http://evil.example'>x</a> \" ' %{x} <!-- \u2028"
)
SECTIONS = (
    *("segments", "grid", "trend", "moves", "next-week", "lifecycle", "performance"),
    *("profiles", "audiences", "usefulness", "checks", "definitions", "glossary"),
)
CHARTS = {
    *("chart-sizes", "chart-grid", "chart-shares", "chart-moves", "chart-causes"),
    *("chart-stages", "chart-next-week", "chart-revenue"),
    *("chart-reach", "chart-lift", "chart-lift-money"),
}
PRESSURE = "Customers who were written to lately; who is at the limit gets nothing more for now"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MOST_BYTES = 6_000_000


def known() -> Any:
    return known_segments(
        [
            {"name": name, "rank": rank, "label": label, "action": ""}
            for name, (label, rank, _, _) in SEGMENTS.items()
        ],
        [],
    )


# Words


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (words.money(1234567.891, "GBP"), "1,234,568 GBP"),
        (words.money(99.5), "99.50"),
        (words.money(0, "EUR"), "0 EUR"),
        (words.money(None, "EUR"), words.NOTHING),
        (words.percent(0.23456), "23.5%"),
        (words.growth(-0.1234), "\N{MINUS SIGN}12.3%"),
        (words.growth(0.0001), "±0.0%"),
        (words.number(0.012345), "0.0123"),
        (words.number(1234.5), "1,234"),
        (words.number(float("nan")), "not a number"),
        (words.number(0.00001), "1.0e-05"),
        (words.day(date(2024, 2, 29)), "29 February 2024"),
        (words.label("at_risk"), "At risk"),
        (words.days(1), "1 day"),
        (words.points(0.0345), "+3.5"),
        (words.points(-0.2), "\N{MINUS SIGN}20.0"),
        (words.points(0.0001), "±0.0"),
        (words.points(None), words.NOTHING),
        (words.signed(-12.5, "12.50 EUR"), "\N{MINUS SIGN}12.50 EUR"),
        (words.times(-0.4307), "\N{MINUS SIGN}0.43"),
        (words.channel("*"), "all channels together"),
        (words.channel("email"), "email"),
    ],
)
def test_numbers_and_days_are_written_for_people(written: str, expected: str) -> None:
    assert written == expected


# Segments


def test_a_segment_keeps_its_colour_whatever_its_size() -> None:
    small = known_segments([], [{"segment": "b", "customers": 1, "monetary": 1}])
    assert [segment.name for segment in small] == ["b"]
    colours = {segment.name: segment.colour for segment in known()}
    assert list(colours) == [
        *("champions", "loyal_customers", "at_risk", "new_customers", "potential_loyalists"),
        *("cant_lose_them", "hibernating"),
    ]
    assert colours["champions"] == "--segment-1"
    assert colours["hibernating"] == "--segment-last"
    assert len(set(colours.values())) == len(colours)


def test_segments_without_definitions_stand_by_what_a_customer_is_worth() -> None:
    sizes = [
        {"segment": "many", "customers": 100, "monetary": 1000},
        {"segment": "rich", "customers": 1, "monetary": 900},
    ]
    assert [segment.label for segment in known_segments([], sizes)] == ["Rich", "Many"]


def colours(scheme: str) -> dict[str, str]:
    """The colours of the style sheet, light or dark."""
    style = (TEMPLATES / "page.css").read_text()
    light, dark = style.split("@media screen and (prefers-color-scheme: dark)")
    block = light if scheme == "light" else dark.split("* { box-sizing")[0]
    return dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", block))


def linear(colour: str) -> list[float]:
    """Red, green and blue of a hexadecimal colour as amounts of light (IEC 61966-2-1)."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_and_colours_stand_out(scheme: str) -> None:
    found = colours(scheme)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)
    for ink, ground in (
        *(("ink", "page"), ("ink", "card"), ("muted", "page"), ("muted", "card")),
        *(("accent", "page"), ("accent", "card"), ("ink", "heat"), ("ink", "heat-low")),
        *(("good", "good-soft"), ("warn", "warn-soft"), ("bad", "bad-soft"), ("ink", "bad-soft")),
    ):
        assert contrast(found[ink], found[ground]) >= 4.5, (ink, ground)
    marks = [name for name in found if name.startswith("segment-") and name != "segment-none"]
    assert len(marks) == 11
    for name in marks:
        assert contrast(found[name], found["card"]) >= 3, name


# What a dichromat sees of linear red, green and blue: Machado, Oliveira and Fernandes (2009),
# severity 1, for lacking red, green and blue cones.
LACKING = (
    (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
)


def oklab(colour: str, seen: tuple[tuple[float, ...], ...]) -> tuple[float, ...]:
    """A colour as somebody sees it, in OKLab (Ottosson 2020), where distance is difference."""
    r, g, b = (
        min(1.0, max(0.0, sum(m * part for m, part in zip(row, linear(colour), strict=True))))
        for row in seen
    )
    long = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)
    medium = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    short = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_of_eight_segments_differ_for_the_colour_blind(scheme: str) -> None:
    found = colours(scheme)
    eight = [found[f"segment-{place}"] for place in range(1, 8)] + [found["segment-last"]]
    assert_all_differ(eight, scheme)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_of_reach_differ_for_the_colour_blind(scheme: str) -> None:
    found = colours(scheme)
    eight = [found[name.removeprefix("--")] for name in figures_audiences.REACH_COLOURS.values()]
    assert len(set(eight)) == len(words.REACH) == 8
    assert_all_differ(eight, scheme)
    for colour in eight:
        assert contrast(colour, found["card"]) >= 3


def assert_all_differ(chosen: list[str], scheme: str) -> None:
    everybody = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    for seen in (everybody, *LACKING):
        places = [oklab(colour, seen) for colour in chosen]
        for place, one in enumerate(places):
            for other in places[:place]:
                distance = sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5
                # 0.02 is about the least difference that can be seen side by side.
                assert distance > 0.04, (scheme, place)


# Figures


def test_sizes_show_shares_of_customers_and_of_money() -> None:
    sizes = [
        {"segment": "champions", "customers": 25, "monetary": 900},
        {"segment": "hibernating", "customers": 75, "monetary": 100},
    ]
    chart = figures_today.sizes_chart(sizes, known(), words.money)
    by_name = {trace.name: trace for trace in chart.figure.data}
    # Lying bars are drawn from below, so the best segment comes last.
    assert list(by_name["Share of customers"].x) == [0.75, 0.25]
    assert list(by_name["Share of money"].x) == [0.1, 0.9]
    assert list(chart.figure.layout.yaxis.ticktext) == ["Hibernating", "Champions"]
    assert "Champions 25.0% of customers, 90.0% of money" in chart.summary


def test_the_grid_counts_every_cell_once() -> None:
    grid = [
        {"r_score": 5, "f_score": 1, "customers": 9, "monetary": 5, "main_segment": "champions"},
        {"r_score": 1, "f_score": 5, "customers": 4, "monetary": 5, "main_segment": "hibernating"},
    ]
    chart = figures_today.grid_chart(grid, known(), words.money)
    (trace,) = chart.figure.data
    assert trace.z[4][0] == 3  # the root of 9, recency 5 being the top row
    assert trace.z[0][4] == 2
    assert [cell for line in trace.text for cell in line if cell] == ["4", "9"]
    assert "mostly Champions" in trace.customdata[4][0]
    assert trace.customdata[2][2].endswith("nobody")


def test_flows_leave_out_who_stayed_who_came_and_who_was_merged() -> None:
    def row(start: str | None, end: str | None, customers: int, cause: str | None) -> Any:
        return {
            "from_segment": start,
            "to_segment": end,
            "cause": cause,
            "customers": customers,
            "monetary": 10,
        }

    migrations = [
        row("champions", "champions", 70, None),
        row("champions", "loyal_customers", 8, "aged"),
        row("champions", "loyal_customers", 2, "recalibrated"),
        row("loyal_customers", "champions", 5, "bought"),
        row(None, "champions", 3, "bought"),
        row("champions", None, 1, "merged"),
    ]
    moves = findings.moves(migrations)
    assert [(move["from_segment"], move["customers"]) for move in moves] == [
        ("champions", 10),
        ("loyal_customers", 5),
    ]
    (trace,) = figures_history.moves_chart(moves, known(), words.money).figure.data
    assert list(trace.link.value) == [10, 5]
    assert list(trace.node.label) == ["Champions", "Loyal customers"] * 2
    assert list(trace.link.color) == ["var(--segment-1-soft)", "var(--segment-2-soft)"]
    assert max(trace.link.source) < min(trace.link.target)

    matrix = findings.matrix(migrations, known())
    assert matrix["champions"]["champions"] == findings.Cell(70, 70 / 80, is_stay=True)
    assert matrix["champions"]["loyal_customers"].customers == 10
    assert [sum(cell.share for cell in line.values()) for line in matrix.values()] == [1, 1]


def period(**more: Any) -> dict[str, Any]:
    moved = dict.fromkeys((f"moved_{cause}" for cause in words.CAUSES), 0)
    return {
        "period": "month",
        "period_start": date(2026, 5, 1),
        "period_end": date(2026, 5, 31),
        "is_complete": True,
        "customers_at_start": 200,
        "customers_moved": 50,
        "share_moved": 0.25,
        **moved,
        **more,
    }


def test_moves_of_the_yardstick_are_hatched_and_said_to_be_so() -> None:
    movement = [period(moved_bought=20, moved_aged=20, moved_recalibrated=10)]
    chart = figures_history.causes_chart(movement)
    traces = {trace.name: trace for trace in chart.figure.data}
    assert list(traces) == [words.CAUSES[cause] for cause in ("bought", "aged", "recalibrated")]
    assert traces["Ordered"].y[0] == 0.1
    assert traces["Ordered"].marker.pattern.shape == ""
    assert traces["Score limits were renewed"].marker.pattern.shape == "/"
    assert "May 2026 25.0%" in chart.summary


def test_shares_are_stacked_from_the_weakest_to_the_best() -> None:
    shares = [
        {"date_day": day, "segment": name, "customers": 5, "customer_share": 0.5}
        for day in (date(2026, 1, 1), date(2026, 1, 2))
        for name in ("champions", "hibernating")
    ]
    chart = figures_history.shares_chart(shares, known())
    assert [trace.name for trace in chart.figure.data] == ["Hibernating", "Champions"]
    assert {trace.stackgroup for trace in chart.figure.data} == {"all"}


def test_revenue_without_a_segment_is_shown_as_first_orders() -> None:
    start = date(2026, 5, 1)
    performance = [
        {"period_start": start, "segment": name, "revenue": revenue, "is_complete": True}
        for name, revenue in (("champions", 60), ("hibernating", 30), ("all", 100))
    ]
    chart = figures_history.revenue_chart(performance, known(), words.money)
    assert {trace.name: list(trace.y) for trace in chart.figure.data} == {
        "Hibernating": [30],
        "Champions": [60],
        "First orders": [10],
    }


def reach_row(name: str, **more: int) -> dict[str, Any]:
    return {"audience": name, "name": name, **dict.fromkeys(words.REACH, 0), **more}


def test_reach_makes_up_all_candidates_of_every_audience() -> None:
    rows = [
        reach_row("First", candidates=200, contactable=150, no_consent=40, held_out=10),
        reach_row("Second", candidates=4, contactable=1, no_key=3),
    ]
    chart = figures_audiences.reach_chart(rows)
    by_name = {trace.name: list(trace.x) for trace in chart.figure.data}
    # Lying bars are drawn from below, so the first priority comes last.
    assert by_name == {
        "Can be written to": [0.25, 0.75],
        "No consent": [0, 0.2],
        "No address or number": [0.75, 0],
        "Held out to measure": [0, 0.05],
    }
    assert [sum(shares) for shares in zip(*by_name.values(), strict=True)] == [1, 1]
    assert list(chart.figure.layout.yaxis.ticktext) == ["Second<br>1 of 4", "First<br>150 of 200"]
    assert "First 150 of 200" in chart.summary


def lift_row(**more: Any) -> dict[str, Any]:
    return {
        "campaign_id": "SPRING",
        "audience": "win_back",
        "metric": "conversion",
        "difference": 0.1,
        "difference_low": 0.04,
        "difference_high": 0.15,
        "lack": None,
        "verdict": "more",
        **more,
    }


def test_lift_is_drawn_with_its_interval_and_a_mark_of_the_verdict() -> None:
    rows = [lift_row(), lift_row(metric="retention", verdict="unknown", lack="too_few_successes")]
    (trace,) = figures_audiences.lift_chart("chart-lift", rows, words.money).figure.data
    assert list(trace.x) == [10, 10]
    assert list(trace.error_x.array) == pytest.approx([5, 5])
    assert list(trace.error_x.arrayminus) == pytest.approx([6, 6])
    assert list(trace.marker.symbol) == ["circle-open", "triangle-right"]
    assert trace.customdata[1].endswith("+10.0 points (+4.0 to +15.0)<br>Brought more")


@pytest.mark.parametrize("lack", ["no_holdout", "mismatched_arms", "not_over"])
def test_arms_that_may_not_be_compared_are_not_drawn(lack: str) -> None:
    rows = [lift_row(verdict="unknown", lack=lack), lift_row(campaign_id="OTHER")]
    assert findings_campaigns.drawn(rows, findings_campaigns.RATES) == rows[1:]
    assert findings_campaigns.drawn(rows, findings_campaigns.MONEY) == []


def test_of_many_campaigns_those_with_a_verdict_are_drawn() -> None:
    rows = [
        lift_row(campaign_id=f"C{place:02}", verdict="more" if place > 27 else "unknown")
        for place in range(30)
    ]
    chosen = findings_campaigns.drawn(rows, findings_campaigns.RATES)
    names = [row["campaign_id"] for row in chosen]
    assert len(names) == findings_campaigns.MOST_LINES
    assert names == sorted(names)
    assert names[-2:] == ["C28", "C29"]
    assert "C22" not in names


def test_labels_of_figures_are_escaped_and_short() -> None:
    sizes = [{"segment": "<b>x</b>", "customers": 1, "monetary": 1}]
    chart = figures_today.sizes_chart(sizes, known_segments([], sizes), words.money)
    assert chart.figure.layout.yaxis.ticktext == ("&lt;b&gt;x&lt;/b&gt;",)
    long = [{"segment": "x" * 90, "customers": 1, "monetary": 1}]
    chart = figures_today.sizes_chart(long, known_segments([], long), words.money)
    assert len(chart.figure.layout.yaxis.ticktext[0]) == drawing.LONGEST_LABEL
    embedded = figures_json([chart])
    assert not set("<>&\u2028") & set(embedded)
    assert json.loads(embedded)["chart-sizes"]["data"]


# Findings


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ({"verdict": "pass"}, "pass"),
        ({"verdict": "warn"}, "warn"),
        ({"verdict": "approved", "approved_checks": "feature_psi, churn_30d"}, "warn"),
        ({"verdict": "approved", "approved_checks": None}, "warn"),
        ({"verdict": None}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_the_verdict_is_never_better_than_what_is_known(status: dict[str, Any], kind: str) -> None:
    assert findings.verdict(status)[0] == kind


def test_an_accepted_problem_is_named() -> None:
    told = findings.verdict({"verdict": "approved", "approved_checks": "feature_psi, churn_30d"})
    assert told[1].endswith("accepted by a person (Feature psi, Churn 30d)")


def test_a_refusal_names_the_check_what_it_found_and_what_to_do() -> None:
    held = date(2026, 7, 2)
    check = {
        "as_of_date": held,
        "check_id": "C02",
        "check_name": "volume_weekday",
        "title": "Orders of a normal day",
        "status": "error",
        "message": "3 orders where 200 are normal.",
        "remedy": "Ask for the file.",
    }
    status = {"held_by": "volume_weekday, max_removed_share", "held_as_of": held}
    assert findings.holders(status, [check]) == [
        findings.Holder(
            "volume_weekday",
            "Orders of a normal day",
            ("3 orders where 200 are normal.",),
            "Ask for the file.",
        ),
        findings.Holder("max_removed_share", "Max removed share", (), ""),
    ]
    # What was found on another day says nothing about this one.
    (other, _) = findings.holders(status, [{**check, "as_of_date": AS_OF}])
    assert other.messages == ()
    assert other.remedy == "Ask for the file."


def test_what_holds_messages_is_named_once_unless_it_was_accepted() -> None:
    def row(name: str, status: str, blocks: str) -> Any:
        return {
            "check_id": f"id_{name}",
            "check_name": name,
            "title": f"Title of {name}",
            "status": status,
            "blocks": blocks,
        }

    checks = [
        *(row("drift", "error", "activation"), row("drift", "error", "activation")),
        *(row("churn", "error", "activation"), row("size", "error", "audience")),
        *(row("volume", "warn", "publication"), row("merge", "error", "none")),
    ]
    assert findings.held_messages({}, checks) == ["Title of drift", "Title of churn"]
    accepted = {"approved_checks": "churn"}
    assert findings.held_messages(accepted, checks) == ["Title of drift"]


def test_a_check_of_a_segment_names_its_label() -> None:
    assert findings.subject("cant_lose_them", known()) == "Can't lose them"
    assert findings.subject("order_value, day: mean", known()) == "Order value, day: mean"


def test_checks_stand_worst_first_and_a_night_is_as_good_as_its_worst() -> None:
    checks = [{"status": status} for status in ("pass", "warn", "insufficient_data", "error")]
    assert list(findings.worst_first(checks)) == ["error", "warn", "insufficient_data", "pass"]
    first, second = date(2026, 1, 1), date(2026, 1, 2)
    nights = findings.nights(
        [
            {"as_of_date": first, "status": "insufficient_data", "results": 3},
            {"as_of_date": first, "status": "pass", "results": 1},
            {"as_of_date": second, "status": "error", "results": 1},
            {"as_of_date": second, "status": "warn", "results": 2},
        ]
    )
    assert [(night.as_of_date, night.status) for night in nights] == [
        (first, "pass"),
        (second, "error"),
    ]
    assert nights[1].told == "problem: 1, look at this: 2"


def test_the_same_advice_is_given_once() -> None:
    verdicts = [
        {"segment": name, "criterion": criterion, "verdict": verdict, "advice": advice}
        for name, criterion, verdict, advice in (
            ("hibernating", "accessible", "unknown", "Say who can be reached."),
            ("champions", "accessible", "unknown", "Say who can be reached."),
            ("at_risk", "differentiable", "fail", "Merge it with another."),
            ("at_risk", "stable", "pass", "Nothing."),
        )
    ]
    assert [(row.verdict, row.labels) for row in findings.advice(verdicts, known())] == [
        ("fail", ("At risk",)),
        ("unknown", ("Champions", "Hibernating")),
    ]


@pytest.mark.parametrize(
    ("criterion", "value", "threshold", "told"),
    [
        ("substantial", 41.0, 100.0, "41 customers, 100 wanted"),
        ("homogeneous", 0.509, 0.75, "50.9% of the spread of all, 75.0% allowed"),
        ("stable", 0.0048, 0.03, "0.5% in a week, 3.0% allowed"),
        ("actionable", 0.0, 0.0, ""),
        ("accessible", None, 100.0, ""),
    ],
)
def test_numbers_behind_a_verdict_have_a_unit(
    criterion: str, value: float | None, threshold: float, told: str
) -> None:
    row = {"criterion": criterion, "value": value, "threshold": threshold}
    assert findings.usefulness_number(row) == told


def test_a_figure_over_time_has_its_numbers_in_a_table(folder: Path) -> None:
    contents = read_contents(folder / "full.duckdb")
    shares = findings.by_day(contents.shares, "date_day", "customer_share")
    assert next(iter(shares)) == AS_OF
    assert sum(shares[AS_OF].values()) == 1
    told = Outline((folder / "full.html").read_text(encoding="utf-8")).words()
    for chart in ("Share of customers in each segment, every fourth", "Revenue per month by"):
        assert chart in told


def test_the_newest_complete_month_is_told() -> None:
    months = [
        {"period_start": date(2026, month, 1), "segment": name, "is_complete": month < 6}
        for month in (4, 5, 6)
        for name in ("all", "champions")
    ]
    chosen = findings.last_month(months, known())
    assert [(row["period_start"].month, row["segment"]) for row in chosen] == [
        (5, "champions"),
        (5, "all"),
    ]
    running = findings.last_month(months[-2:], known())
    assert {row["period_start"].month for row in running} == {6}
    assert findings.last_month([], known()) == []


def audience_row(**more: Any) -> dict[str, Any]:
    counts = {"candidates": 10, "contactable": 9, "no_consent": 1, "with_key": 10}
    names = {"audience": "win_back", "name": "Win-back"}
    return {**names, **counts, "minimum_size": 1, "is_served": True, **more}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "No audience is in force"),
        ([audience_row(candidates=None)], "1 audience is in force; how many"),
        ([audience_row(candidates=0)] * 2, "2 audiences are in force, and no customer"),
        ([audience_row(with_key=0)], "1 audience is in force, and no address"),
        ([audience_row(with_key=0), audience_row()], ""),
        ([audience_row(with_key=None)], ""),
    ],
)
def test_what_keeps_audiences_from_being_told_is_one_sentence(rows: list[Any], told: str) -> None:
    said = findings_audiences.obstacle(Audiences(in_force=rows))
    assert said.startswith(told)
    assert bool(said) == bool(told)
    assert said.count(".") == bool(said)


def test_findings_about_audiences_say_what_keeps_them_from_their_aim() -> None:
    fine = Audiences(in_force=[audience_row(), audience_row(candidates=0, is_served=False)])
    assert findings_audiences.about_audiences(fine) == []
    half = audience_row(no_consent=5)
    assert findings_audiences.about_audiences(Audiences(in_force=[half])) == []
    poor = audience_row(no_consent=6, contactable=4, minimum_size=100, is_served=False)
    flagged = {"subject": "win_back", "attribute": "age", "verdict": "adverse", "p_value": 0.02}
    proxy = {"attribute": "gender", "association": 0.41, "verdict": "proxy"}
    fairness = [
        {**flagged, "group_name": "65+", "ratio": 0.7},
        {**flagged, "group_name": "18-24", "ratio": 0.5},
        {**flagged, "group_name": "25-34", "ratio": 0.9, "verdict": "fair"},
        proxy,
    ]
    assert findings_audiences.about_audiences(Audiences([poor], fairness=fairness)) == [
        "1 audience is smaller than the destination serves: “Win-back” has 4 of the 100 it needs.",
        (
            "For lack of consent, 1 audience loses more than half of the candidates:"
            " “Win-back” (60.0%)."
        ),
        (
            "“Win-back” takes customers of age 18-24 0.50 times as often as the group it takes most"
            " (chance alone takes as few in 2.0% of cases); 1 more group is flagged."
        ),
        "Segments stand in for gender: who knows the segment can guess it (Cramér's V 0.41).",
    ]


def test_campaigns_say_what_they_brought_or_why_nothing_can_be_said(folder: Path) -> None:
    audiences = read_contents(folder / "full.duckdb").audiences
    silences = {
        campaign.name: campaign.silences for campaign in findings_campaigns.campaigns(audiences)
    }
    assert silences == {
        "SPRING": [
            "No verdict on money: too few baskets make up the money of an arm.",
            "No verdict on later orders: its time is not over yet.",
        ],
        "AUTUMN": [
            "No verdict: the holdout is not as planned, so the arms may not be compared.",
        ],
        "NEXT": ["No verdict yet: it has not begun."],
        "LOOSE": [
            (
                "No verdict is possible. The campaign names no audience, so nobody knows whom it"
                " was for."
            )
        ],
    }
    assert findings_campaigns.about_campaigns(audiences, words.money) == [
        (
            "The holdout of “AUTUMN” is not as planned (25.0% instead of 10.0%), so what it brought"
            " cannot be told."
        ),
        "“SPRING” worked: orders +10.0 points against those held out (+3.6 to +14.8).",
    ]


def test_harm_is_called_harm() -> None:
    lift = lift_row(
        metric="revenue", difference=-2.5, difference_low=-4, difference_high=-1, verdict="less"
    )
    told = findings_campaigns.about_campaigns(Audiences(lifts=[lift]), words.money)
    assert told == [
        (
            "“SPRING” did harm: money \N{MINUS SIGN}2.50 against those held out"
            " (\N{MINUS SIGN}4.00 to \N{MINUS SIGN}1.00)."
        )
    ]


def test_flagged_groups_stand_first_and_hidden_ones_are_named_without_numbers(
    folder: Path,
) -> None:
    fairness = read_contents(folder / "full.duckdb").audiences.fairness
    first, others = findings_audiences.fairness(fairness)
    assert [row["verdict"] for row in first] == ["adverse", "proxy", "fair"]
    assert [row["group_name"] for row in others] == ["25-34", "35-44"]
    names = {"win_back": "Win-back"}
    assert findings_audiences.hidden(fairness, names) == {
        "age": (3, "Lookalike seed (all), Win-back (65+)")
    }


# The page


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the report of a full file, a hostile held one, an old one and an empty one."""
    root = tmp_path_factory.mktemp("report")
    empty = tuple(name for name in TABLES if name != "segment_definitions")
    for name, database in (
        ("full", build(root / "full.duckdb")),
        ("hostile", build(root / "hostile.duckdb", hostile=HOSTILE, held=True)),
        ("old", build(root / "old.duckdb", tables=OLD_TABLES)),
        ("empty", build(root / "empty.duckdb", empty=empty)),
    ):
        write_report(database, root / f"{name}.html")
    return root


class Outline(HTMLParser):
    """The parts of a page that the tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.sources: list[str] = []
        self.tables = self.captions = self.scripts = 0
        self.text: list[str] = []
        self._is_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self.tables += tag == "table"
        self.captions += tag == "caption"
        self.scripts += tag == "script"
        self._is_script = tag in {"script", "style"}
        values = dict(attrs)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        self.sources += [str(values[name]) for name in ("src", "href") if values.get(name)]
        assert not [name for name, _ in attrs if name.startswith("on")], "no inline handlers"

    def handle_endtag(self, tag: str) -> None:
        self._is_script = False

    def handle_data(self, data: str) -> None:
        if not self._is_script:
            self.text.append(data)

    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


class Tables(HTMLParser):
    """The texts of all cells, by caption."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: dict[str, list[list[str]]] = {}
        self._caption = ""
        self._part = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag == "caption":
            self._caption, self._part = "", tag
        elif tag == "tr":
            self.rows.setdefault(" ".join(self._caption.split()), []).append([])
        elif tag in {"td", "th"}:
            self._part = "cell"
            self._cells().append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"caption", "td", "th"}:
            self._part = ""

    def handle_data(self, data: str) -> None:
        if self._part == "caption":
            self._caption += data
        elif self._part == "cell":
            self._cells()[-1] = " ".join([*self._cells()[-1].split(), *data.split()])

    def _cells(self) -> list[str]:
        return self.rows[" ".join(self._caption.split())][-1]


@pytest.mark.parametrize("name", ["full", "hostile", "old", "empty"])
def test_the_page_is_one_well_formed_file_of_bounded_size(folder: Path, name: str) -> None:
    path = folder / f"{name}.html"
    assert path.stat().st_size <= MOST_BYTES
    outline = Outline(path.read_text(encoding="utf-8"))
    assert set(SECTIONS) <= set(outline.ids)
    assert len(outline.ids) == len(set(outline.ids))
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    steps = zip(outline.headings, outline.headings[1:], strict=False)
    assert all(after <= before + 1 for before, after in steps)
    assert outline.tables == outline.captions
    assert outline.scripts == 3
    assert {source for source in outline.sources if not source.startswith("#")} == {"data:,"}


def test_the_same_database_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from orchestration.report import write_report;"
    for seed in ("1", "2"):
        target = tmp_path / f"{seed}.html"
        subprocess.run(
            [
                *(sys.executable, "-c", f"{script} write_report(*map(Path, sys.argv[1:]))"),
                *(folder / "full.duckdb", target),
            ],
            env=os.environ | {"PYTHONHASHSEED": seed, "TZ": f"Etc/GMT+{seed}"},
            check=True,
        )
        assert target.read_bytes() == (folder / "full.html").read_bytes()


def test_the_page_says_what_the_tables_say(folder: Path) -> None:
    told = Outline((folder / "full.html").read_text(encoding="utf-8")).words()
    for part in (
        "As of 30 June 2026",
        "Checked: usable, with warnings",
        "Messages to customers are held back: Few change segment",
        "and 12 prospects without an order",
        "12,000 rows came in, 11,900 count",
        "“Champions” is 14.0% of your customers",
        "2 of 5 check results need a look",
        "Few change segment: the value is 3.0",
        "Holds messages to customers back",
        "Too little data to tell: 1",
        "Without a finding: 2",
        "Ask who sends the orders whether a file is missing",
        "Merge it with another",
        "Performance in June 2026",
        "1 audience is smaller than the destination serves: “Lookalike seed” has 40 of the 100",
        "“SPRING” worked: orders +10.0 points",
        "The holdout of “AUTUMN” is not as planned",
        "LOOSE : No verdict is possible. The campaign names no audience",
        "5 of 100 held out got the message.",
    ):
        assert part in told, part
    assert "being held back" not in told


def test_audiences_on_the_page_equal_the_published_tables(folder: Path) -> None:
    page = (folder / "full.html").read_text(encoding="utf-8")
    contents = read_contents(folder / "full.duckdb").audiences
    assert {
        row["audience"]: (row["joined"], row["gone"], row["is_served"]) for row in contents.in_force
    } == {
        "onboarding": (0, 0, False),
        "win_back": (7, 3, True),
        "lookalike_seed": (0, 2, False),
    }
    by_caption = {caption.split(",")[0]: rows for caption, rows in Tables(page).rows.items()}
    assert by_caption["Audiences in force"][1:] == [
        ["Onboarding", "0", "0", "0", "0", "Too small 1 needed"],
        ["Win-back", "200", "100", "7", "3", "Served"],
        ["Lookalike seed", "150", "40", "0", "2", "Too small 100 needed"],
    ]
    outcomes = list(words.REACH)
    assert by_caption["Candidates of each audience by what becomes of them"] == [
        ["Audience", *(words.REACH[outcome] for outcome in outcomes), "All candidates"],
        *(
            [
                row["name"],
                *(words.count(row[outcome]) for outcome in outcomes),
                words.count(row["candidates"]),
            ]
            for row in contents.in_force
        ),
    ]
    for row in contents.in_force:
        assert sum(row[outcome] for outcome in outcomes) == row["candidates"]
    assert by_caption[PRESSURE][1:] == [
        ["All channels together", "30 days", "16", "80", "0", "0.0%"],
        ["Email", "7 days", "4", "40", "9", "22.5%"],
    ]
    assert by_caption["Pairs of audiences that share customers"][1:] == [
        ["Onboarding", "Win-back", "31", "31.0%"],
        ["Lookalike seed", "Win-back", "22", "55.0%"],
    ]


def test_campaigns_and_groups_on_the_page_equal_the_published_tables(folder: Path) -> None:
    page = (folder / "full.html").read_text(encoding="utf-8")
    by_caption = {caption.split(",")[0]: rows for caption, rows in Tables(page).rows.items()}
    minus = "\N{MINUS SIGN}"
    assert by_caption["Both arms of each campaign"][1:] == [
        [
            *("AUTUMN", "Opened or clicked", "10.0% of 900", "30.0% of 300"),
            f"{minus}20.0 points {minus}26.0 to {minus}14.0",
            "No verdict the holdout is not as planned, so the arms may not be compared",
        ],
        [
            *("Ordered", "10.0% of 900", "30.0% of 300"),
            f"{minus}20.0 points {minus}26.0 to {minus}14.0",
            "No verdict the holdout is not as planned, so the arms may not be compared",
        ],
        [
            *("SPRING", "Opened or clicked", "20.0% of 900", "19.0% of 100"),
            *(f"+1.0 points {minus}7.0 to +8.0", "Chance explains it"),
        ],
        [
            *("Ordered", "18.0% of 900", "8.0% of 100"),
            *("+10.0 points +3.6 to +14.8", "Brought more"),
        ],
        [
            *("Money per customer", "9.50 of 900", "9.00 of 100"),
            f"+0.50 {minus}2.00 to +3.00",
            "No verdict too few baskets make up the money of an arm",
        ],
        [
            *("Ordered again afterwards", "5.0% of 900", "4.0% of 100"),
            *(f"+1.0 points {minus}4.0 to +4.0", "No verdict its time is not over yet"),
        ],
    ]
    assert by_caption["What campaigns cost"][1:] == [
        ["SPRING", "100", "3.50", f"1.25 {minus}0.50 to 3.00 no verdict"]
    ]
    assert by_caption["Holdouts of campaigns"][1:] == [
        [
            *("AUTUMN", "900", "300", "Does not fit the plan 25.0%, planned 10.0%"),
            *([words.NOTHING] * 4),
        ],
        [
            *("NEXT", "90", "10", "Fits the plan 10.0%, planned 10.0%", "8.0%"),
            *("+9.1 points +114.0%", words.NOTHING, words.NOTHING),
        ],
        [
            *("SPRING", "900", "100", "Fits the plan 10.0%, planned 10.0%", "8.0%"),
            *("+9.1 points +114.0%", "9.00", "none"),
        ],
    ]
    assert by_caption["Groups that are passed over"][1:] == [
        [
            *("Win-back", "Age", "18-24", "80", "10.0%", "50.0%", "1.0%", words.NOTHING),
            "Passed over",
        ],
        [
            *("All segments", "Age", "all", "400", *([words.NOTHING] * 3), "0.42"),
            "Segments stand in for it",
        ],
        ["All segments", "Gender", "all", "400", *([words.NOTHING] * 3), "0.08", "Fine"],
        [
            *("Several", "Age"),
            (
                "3 groups with so few members that the number is not told: Lookalike seed (all),"
                " Win-back (65+)."
            ),
            "Hidden",
        ],
    ]


def test_many_campaigns_are_folded_away(tmp_path: Path) -> None:
    database = build(
        tmp_path / "many.duckdb",
        extra_sql="insert into published.campaign_lift select lift.* replace"
        " (campaign_id || number as campaign_id)"
        " from published.campaign_lift as lift, range(40) as copies (number)",
    )
    write_report(database, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    arms = "<summary>Both arms of each campaign</summary>"
    assert arms in page
    assert page.count("The table has more of them.") == 2
    few = build(tmp_path / "few.duckdb")
    write_report(few, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert arms not in page
    assert "The table has more of them." not in page


def test_nobody_is_named_in_the_part_about_audiences(folder: Path) -> None:
    for name in ("full", "hostile"):
        assert "person-" not in (folder / f"{name}.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("empty", "extra_sql", "told"),
    [
        (("audiences",), "", "No audience is in force"),
        (
            (),
            "update published.audience_reach set candidates = 0, contactable = 0",
            "3 audiences are in force, and no customer is described by any yet.",
        ),
        (
            (),
            "update published.audience_reach set with_key = 0, contactable = 0",
            "3 audiences are in force, and no address or number is known",
        ),
    ],
)
def test_without_audiences_or_customers_there_is_one_sentence(
    tmp_path: Path, empty: tuple[str, ...], extra_sql: str, told: str
) -> None:
    database = build(tmp_path / "none.duckdb", empty=empty, extra_sql=extra_sql)
    write_report(database, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    section = page.split('<section aria-labelledby="audiences">')[1].split("</section>")[0]
    outline = Outline(section)
    assert outline.headings == [2]
    assert outline.tables == 0
    assert told in outline.words()
    assert outline.words().count(".") == 1
    glance = Outline(page.split('<h2 id="segments">')[0]).words()
    assert "SPRING" not in glance
    assert "audience" not in glance.replace("Audiences", "")


def test_a_held_publication_is_said_in_a_banner(folder: Path) -> None:
    told = Outline((folder / "hostile.html").read_text(encoding="utf-8")).words()
    for part in (
        "Newer tables are being held back",
        "2 days behind",
        "The first day that is missing is 1 July 2026",
        "Why 2 July 2026 was refused: orders are missing",
        "lifestage approve volume_weekday --as-of 2026-07-02",
    ):
        assert part in told, part


def test_tables_that_a_person_put_back_are_not_blamed_on_a_check(tmp_path: Path) -> None:
    database = build(
        tmp_path / "back.duckdb",
        held=True,
        extra_sql="update published.publication_status set held_by = 'rollback',"
        " held_reason = 'put back by hand'",
    )
    write_report(database, tmp_path / "report.html")
    told = Outline((tmp_path / "report.html").read_text(encoding="utf-8")).words()
    assert "Older tables were put back" in told
    assert "put back by hand" in told
    assert "lifestage approve" not in told


def test_texts_of_the_data_stay_texts(folder: Path) -> None:
    page = (folder / "hostile.html").read_text(encoding="utf-8")
    outline = Outline(page)
    assert "owned" in outline.words()
    assert outline.scripts == 3
    assert not [source for source in outline.sources if "evil" in source]


@pytest.mark.parametrize("name", ["old", "empty"])
def test_missing_and_empty_tables_are_not_enough_history(folder: Path, name: str) -> None:
    told = Outline((folder / f"{name}.html").read_text(encoding="utf-8")).words()
    assert "Not enough history yet: no check results are published." in told
    assert "Not enough history yet: performance is told by calendar month" in told
    assert ("Not checked" in told) == (name in {"old", "empty"})
    assert "None" not in told
    assert "nan" not in told.lower().split()


@pytest.mark.parametrize("name", list(TABLES))
def test_each_table_may_be_missing_or_empty(tmp_path: Path, name: str) -> None:
    others = tuple(other for other in TABLES if other != name)
    for database in (
        build(tmp_path / "missing.duckdb", tables=others),
        build(tmp_path / "empty.duckdb", empty=(name,)),
    ):
        write_report(database, tmp_path / "report.html")
        told = Outline((tmp_path / "report.html").read_text(encoding="utf-8")).words()
        assert "Customer segments" in told


def test_missing_columns_read_as_unknown(tmp_path: Path) -> None:
    database = build(
        tmp_path / "narrow.duckdb",
        extra_sql="alter table published.segment_profiles drop column needs;"
        " alter table published.check_results drop column remedy",
    )
    contents = read_contents(database)
    assert {row["needs"] for row in contents.profiles} == {None}
    write_report(database, tmp_path / "report.html")


def test_the_first_day_has_no_trend_and_no_growth(tmp_path: Path) -> None:
    database = build(
        tmp_path / "first.duckdb",
        empty=("segment_movement", "segment_migrations", "check_results", "segment_verdicts"),
        extra_sql="delete from published.segment_daily_metrics"
        " where date_day < (select max(date_day) from published.segment_daily_metrics)",
    )
    contents = read_contents(database)
    assert contents.revenue["revenue_before"] is None
    write_report(database, tmp_path / "report.html")
    told = Outline((tmp_path / "report.html").read_text(encoding="utf-8")).words()
    assert "shares over time need at least two days" in told
    assert "moves are told as soon as" in told


def test_the_currency_is_told_when_it_is_known(folder: Path, tmp_path: Path) -> None:
    write_report(folder / "full.duckdb", tmp_path / "report.html", currency="EUR")
    told = Outline((tmp_path / "report.html").read_text(encoding="utf-8")).words()
    assert "Money spent (EUR)" in told
    assert re.search(r"The last 28 days brought [0-9,]+ EUR,", told)
    assert "EUR" not in Outline((folder / "full.html").read_text(encoding="utf-8")).words()


def test_a_missing_database_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="run `lifestage refresh`"):
        write_report(tmp_path / "nothing.duckdb", tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


# The browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert path, "there is no Chromium to open the report with: run `make browser`"
    with sync_playwright() as playwright:
        # Root in a container has no sandbox to go into.
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


class Visit:
    """A page that was opened, with everything it asked for and complained about."""

    def __init__(self, browser: Browser, path: Path, **context: Any) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._context = browser.new_context(**context)
        self._context.route("**/*", self._answer)
        self.page: Page = self._context.new_page()
        self.page.on("console", lambda message: self._heard(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.own = path.as_uri()
        self.page.goto(self.own)
        self.page.wait_for_selector("html[data-drawn=yes]", state="attached", timeout=60_000)

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.close()

    def _answer(self, route: Any) -> None:
        if route.request.url == self.own:
            route.continue_()
            return
        self.requests.append(route.request.url)
        route.abort()

    def _heard(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(text)

    def ask(self, script: str) -> Any:
        return self.page.evaluate(script)

    def wait_until(self, script: str) -> None:
        """Ask again and again; Playwright's own way would evaluate text, which the page forbids."""
        for _ in range(200):
            if self.ask(script):
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"never came true: {script}")

    def is_quiet(self) -> bool:
        assert self.requests == []
        assert self.complaints == []
        return True


@pytest.mark.parametrize("name", ["full", "hostile", "old", "empty"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_without_requests_and_without_complaints(
    folder: Path, browser: Browser, name: str, scheme: Any
) -> None:
    with Visit(browser, folder / f"{name}.html", color_scheme=scheme) as visit:
        drawn = set(
            visit.ask(
                "[...document.querySelectorAll('.chart')]"
                ".filter(chart => chart.querySelector('svg.main-svg')).map(chart => chart.id)"
            )
        )
        expected = {
            "full": CHARTS,
            "hostile": CHARTS,
            "old": {"chart-sizes", "chart-grid", "chart-shares", "chart-stages", "chart-next-week"},
            "empty": set(),
        }
        assert drawn == expected[name]
        assert (
            visit.page.title()
            == f"Customer segments as of {words.NOTHING if name == 'empty' else '30 June 2026'}"
        )
        marks = visit.ask(
            "[...document.querySelectorAll('.chart')].map(chart => chart.querySelectorAll("
            "'.bars path, .heatmaplayer image, .heatmaplayer path, .scatterlayer path,"
            " .sankey-link').length)"
        )
        assert all(count > 0 for count in marks)
        assert visit.is_quiet()


@pytest.mark.parametrize("name", ["full", "hostile"])
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_reaches_over_the_side_of_the_screen(
    folder: Path, browser: Browser, name: str, width: int
) -> None:
    viewport = {"width": width, "height": 740}
    with Visit(browser, folder / f"{name}.html", viewport=viewport) as visit:
        visit.ask("document.querySelectorAll('details').forEach(part => { part.open = true; })")
        assert visit.ask("document.documentElement.scrollWidth") <= width
        too_wide = visit.ask(
            f"[...document.querySelectorAll('.chart svg, section, p, li, h1, h2, h3, dd')]"
            f".filter(part => part.getBoundingClientRect().right > {width} + 1)"
            f".map(part => part.className.baseVal ?? part.outerHTML.slice(0, 80))"
        )
        assert too_wide == []
        assert visit.is_quiet()


def test_figures_follow_the_colours_of_the_page(folder: Path, browser: Browser) -> None:
    ink = "getComputedStyle(document.querySelector('#chart-sizes .ytick text')).fill"
    bars = "getComputedStyle(document.querySelector('#chart-stages .bars path')).fill"
    with Visit(browser, folder / "full.html", color_scheme="light") as visit:
        light = visit.ask(ink), visit.ask(bars)
        visit.page.emulate_media(color_scheme="dark")
        visit.wait_until(f"{ink} !== '{light[0]}'")
        dark = visit.ask(ink), visit.ask(bars)
        assert visit.is_quiet()
    assert light == ("rgb(27, 33, 48)", "rgb(43, 95, 184)")
    assert dark == ("rgb(232, 235, 241)", "rgb(130, 170, 240)")


def test_the_page_can_be_printed_from_a_dark_screen(folder: Path, browser: Browser) -> None:
    with Visit(browser, folder / "full.html", color_scheme="dark") as visit:
        visit.ask(
            """window.addEventListener('beforeprint', () => {
                const svg = document.querySelector('#chart-moves svg.main-svg');
                window.printed = {
                    ink: getComputedStyle(document.querySelector('#chart-sizes .ytick text')).fill,
                    width: svg.getBoundingClientRect().width,
                    links: document.querySelectorAll('#chart-moves .sankey-link').length,
                };
            })"""
        )
        paper = visit.page.pdf(prefer_css_page_size=True)
        printed = visit.ask("window.printed")
        # Afterwards the screen is as it was.
        visit.wait_until(
            "getComputedStyle(document.querySelector('#chart-sizes .ytick text')).fill"
            " === 'rgb(232, 235, 241)'"
        )
        assert visit.is_quiet()
    assert paper.startswith(b"%PDF-")
    pages = len(re.findall(rb"/Type\s*/Page\b", paper))
    assert 8 <= pages <= 20
    assert printed == {"ink": "rgb(27, 33, 48)", "width": 680, "links": 7}


def test_who_does_not_see_the_figures_is_told_what_they_show(
    folder: Path, browser: Browser
) -> None:
    with Visit(browser, folder / "full.html") as visit:
        charts = visit.page.locator(".chart")
        assert charts.count() == len(CHARTS)
        for place in range(charts.count()):
            assert charts.nth(place).get_attribute("role") == "img"
            assert len(charts.nth(place).get_attribute("aria-label") or "") > 40
        unnamed = visit.ask(
            "[...document.querySelectorAll('section, nav, .scroll')].filter(part =>"
            " !part.getAttribute('aria-label')"
            " && !document.getElementById(part.getAttribute('aria-labelledby'))).length"
        )
        assert unnamed == 0
        assert visit.ask("document.querySelectorAll('td').length > 0")
        assert visit.ask("document.querySelectorAll('th:not([scope])').length") == 0


def test_a_script_that_slips_in_does_not_run(
    folder: Path, browser: Browser, tmp_path: Path
) -> None:
    page = (folder / "empty.html").read_text(encoding="utf-8")
    forged = tmp_path / "forged.html"
    forged.write_text(
        page.replace("<main", "<script>document.title='owned'</script><main"), encoding="utf-8"
    )
    with Visit(browser, forged) as visit:
        assert visit.page.title() == f"Customer segments as of {words.NOTHING}"
        assert any("Content Security Policy" in text for text in visit.complaints)
