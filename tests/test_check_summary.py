"""Short tables of results: the worst stands first, and what does not fit is counted."""

from dataclasses import replace
from datetime import date

from orchestration.measures.check_summary import (
    MOST_CHARACTERS,
    checks_table,
    subjects_table,
    usefulness_table,
    worst_first,
)
from orchestration.measures.checks import Definition, Measurement, Result, conclude
from orchestration.measures.segment_usefulness import SegmentVerdict

DAY = date(2026, 6, 30)
VOLUME = Definition(
    *("C99", "volume", "Orders", "counts them", "because", "ask the shop", "arrival"),
    warn=4,
    error=6,
    blocks="publication",
)


def result(subject: str, value: float | None, **more: object) -> Result:
    measured = Measurement(subject, value, is_sufficient=value is not None, says="found")
    return replace(conclude(DAY, VOLUME, measured), **more)


def test_what_holds_the_night_stands_first() -> None:
    results = [
        result("fine", 3.9),
        result("mute", None),
        result("odd", 4.5),
        result("wrong for some", 9, blocks="audience"),
        result("wrong", 7),
        result("worse", 8),
        result("mute and required", None, is_required=True),
        result("finer", 0.1),
    ]
    assert [one.subject for one in worst_first(results)] == [
        *("worse", "wrong", "wrong for some", "mute and required"),
        *("odd", "mute", "fine", "finer"),
    ]


def test_only_what_is_not_well_is_written_out() -> None:
    table = checks_table([result("orders", 1), result("web | shop", 5)])
    assert table.splitlines() == [
        "| | check | of | |",
        "|:--|:--|:--|:--|",
        "| warn | Orders | web | shop | Found; above 4 warns. |".replace(
            "web | shop", "web / shop"
        ),
        "",
        "1 of 2 are well.",
    ]
    assert checks_table([result("orders", 1)]) == "1 of 1 are well."


def test_a_long_table_is_cut_where_dagster_would_hide_it() -> None:
    many = [result(f"channel {i}", 10 + i) for i in range(99)]
    for table in (checks_table(many), subjects_table(many)):
        assert 900 < len(table) <= MOST_CHARACTERS
        assert "more are not shown" in table
        assert "channel 98" in table


def test_a_segment_without_an_answer_has_a_question_mark() -> None:
    told = [
        SegmentVerdict(DAY, "champions", "measurable", 1, 1, "pass", ""),
        SegmentVerdict(DAY, "champions", "stable", 1, 2, "fail", ""),
        SegmentVerdict(DAY, "at_risk", "stable", None, None, "unknown", ""),
    ]
    assert usefulness_table(told).splitlines()[2:] == [
        "| champions | yes | **no** |",
        "| at_risk | ? | ? |",
    ]
