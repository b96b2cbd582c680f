"""The goals of the protocol: what was counted in all trials, as lines and tables of the report.

Numbers of goals are those of the protocol; nothing here decides what is run.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from benchmarks.evaluation.report import (
    Line,
    delay_line,
    markdown,
    number,
    percent,
    rate,
    rate_line,
    share_line,
)
from benchmarks.evaluation.trials import ALARMS, ASKED, HEALTHY, WEEK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.evaluation.protocol import Answers
    from benchmarks.evaluation.trials import Faulted, FirstNights, SteadyYear, Trial, Year
    from benchmarks.evaluation.volume import VolumeYear

Answer = TypeVar("Answer")
Found: TypeAlias = "Sequence[tuple[Trial, Answer]]"

YEAR = 365
FEW_CUSTOMERS = 3_000
SOON = (0, 1, 2)
SILENT_WEEK = tuple(range(5))
ERROR = ("error",)
SHIFTS = ("8 hours early", "8 hours late", "a day early", "a day late")


def all_lines(answers: Answers) -> list[Line]:
    """Every goal, in the order of the protocol."""
    return [
        *_false_alarms(answers["year"]),
        *_size_of_moves(answers["steady"], answers["seasonal"]),
        *_power_of_moves(answers["faults"]),
        *_outages(answers["faults"], answers["volume"]),
        *_wrong_loads(answers["faults"]),
        *_slow_drift(answers["drift"]),
        *_wrong_clocks(answers["faults"]),
        Line(
            "E11", "clusters of noise are never green", "100 %", "", "", "", "comes with clusters"
        ),
        *_definitions(answers["faults"]),
        *_natural_movement(answers["steady"]),
        *_first_nights(answers["first"]),
    ]


def _false_alarms(found: Found[Year]) -> list[Line]:
    """E1 and E2: alarms that begin in healthy years, of all checks and of all sizes."""
    lines = []
    for goal, status, what, most in (
        ("E1", "error", "errors that begin", 1.0),
        ("E2", "warn", "warnings that begin", 26.0),
    ):
        lines.append(_begun(goal, f"{what}, healthy companies", found, status, most))
        lines += [
            _begun(goal, f"of these, {size} orders a day", _of_size(found, size), status, None)
            for size in _sizes(found)
        ]
    for what in ("publication held", "activation held"):
        counts = [answer.nights[what] for _, answer in found]
        lines.append(rate_line("E1", f"nights: {what}", counts, None, _years(found)))
    return lines


def _begun(goal: str, what: str, found: Found[Year], status: str, most: float | None) -> Line:
    counts = [
        sum(times for (kind, _, _), times in answer.begun.items() if kind == status)
        for _, answer in found
    ]
    return rate_line(goal, what, counts, most, _years(found))


def _years(found: Found[Any]) -> float:
    return found[0][0].nights / YEAR


def _sizes(found: Found[Any]) -> list[int]:
    return sorted({int(trial.orders_per_day) for trial, _ in found})


def _of_size(found: Found[Answer], size: float) -> list[tuple[Trial, Answer]]:
    return [(trial, answer) for trial, answer in found if trial.orders_per_day == size]


def _size_of_moves(calm: Found[SteadyYear], seasonal: Found[SteadyYear]) -> list[Line]:
    """E3: how often C20 alarms on weeks without drift, apart from weeks of new cut points."""
    lines = []
    for what, found, most in (
        ("no season", calm, 0.005),
        ("a season of 50 %", seasonal, 0.02),
    ):
        p_values = [week.p_value for _, answer in found for week in answer.weeks if week.is_usual]
        hits = sum(p < 0.001 for p in p_values)
        lines.append(share_line("E3", f"C20: p < 0.001, {what}", hits, len(p_values), most=most))
    weeks = [week for _, answer in (*calm, *seasonal) for week in answer.weeks]
    errors = sum(week.status == "error" for week in weeks)
    return [*lines, share_line("E3", "C20: error, both", errors, len(weeks), most=0.003)]


@dataclass(frozen=True)
class Asked:
    """A question about faulted companies: which fault, which checks, on which days, how badly."""

    fault: str
    checks: tuple[str, ...]
    days: Sequence[int] = (0,)
    statuses: Sequence[str] = ERROR

    def answered(self, one: Faulted, fault: str | None = None) -> bool:
        """Whether one of the checks alarmed on one of the days."""
        nights = one.nights[fault or self.fault]
        return any(
            nights.get(day, {}).get(check) in self.statuses
            for day in self.days
            for check in self.checks
        )


def _fault_line(
    goal: str, what: str, found: Found[Faulted], asked: Asked, least: float | None
) -> Line:
    hits = sum(asked.answered(one) for _, one in found)
    twins = sum(asked.answered(one, HEALTHY) for _, one in found)
    line = share_line(goal, what, hits, len(found), least=least)
    twin = percent(twins / len(found)) if found else "-"
    return replace(line, measured=f"{line.measured}; healthy twin {twin}")


def _power_of_moves(found: Found[Faulted]) -> list[Line]:
    """E4, on companies with enough customers."""
    large = [(trial, one) for trial, one in found if one.customers >= FEW_CUSTOMERS]
    apart = [(trial, one) for trial, one in large if not one.is_recut]
    cut = Asked("cut points +10 %", ("C20",), range(WEEK))
    silent = Asked("silent", ("C20",), SILENT_WEEK, ALARMS)
    lines = []
    for where, those in (("", large), (", no scheduled scorecard near", apart)):
        lines += [
            _fault_line("E4", f"cut points +10 %: C20 error in a week{where}", those, cut, 0.85),
            _fault_line("E4", f"5 silent days: C20 alarms{where}", those, silent, 0.95),
        ]
    return lines


def _outages(found: Found[Faulted], volumes: Found[VolumeYear]) -> list[Line]:
    """E5 and E6."""
    silent = Asked("silent", ("C01",), SOON)
    empty, half = "empty day: C02 error that day", "half a day: C02 error that day"
    return [
        _fault_line("E5", "feed silent: C01 error by day 2", found, silent, 1.0),
        *(_volume_line("E5", empty, _of_size(volumes, size), 1.0) for size in _sizes(volumes)),
        _volume_line("E6", half, _of_size(volumes, 300), 0.90),
        _volume_line("E6", half, _of_size(volumes, 3_000), 0.99),
    ]


def _volume_line(goal: str, what: str, volumes: Found[VolumeYear], least: float) -> Line:
    fault = "zero" if goal == "E5" else "-50 %"
    hits = sum(answer.found[fault, "C02, error"] for _, answer in volumes)
    tried = sum(answer.tried[fault] for _, answer in volumes)
    size = int(volumes[0][0].orders_per_day)
    return share_line(goal, f"{what}, {size:,} a day or more", hits, tried, least=least)


def _wrong_loads(found: Found[Faulted]) -> list[Line]:
    """E7 and E8; amounts by size, since a tenth of few orders may be none."""
    twice = Asked("double load", ("C03",), statuses=ALARMS)
    changed = Asked("double load, changed", ("C03",), statuses=ALARMS)
    lines = [
        _fault_line("E7", "day loaded twice: C03 alarms that day", found, twice, 1.0),
        _fault_line("E7", "twice with other content: C03 alarms that day", found, changed, 1.0),
    ]
    for share in ("all rows", "10 % of rows"):
        at_once = Asked(f"cents, {share}", ("C11", "C12"))
        soon = replace(at_once, days=SOON, statuses=ALARMS)
        for size in _sizes(found):
            those = _of_size(found, size)
            what = f"cents for whole units, {share}, {size} a day"
            lines += [
                _fault_line("E8", f"{what}: C11 or C12 error that day", those, at_once, 1.0),
                _fault_line("E8", f"{what}: alarm within 3 days", those, soon, 0.95),
            ]
    return lines


def _slow_drift(found: Found[VolumeYear]) -> list[Line]:
    """E9."""
    lines = []
    for size, most in ((300, 14), (3_000, 10)):
        those = _of_size(found, size)
        for rule in ("C50", "C02"):
            delays = [answer.drift[rule] for _, answer in those]
            what = f"-1 % a day, {size:,} a day: days until {rule} alarms"
            lines.append(delay_line("E9", what, delays, most))
        counts = [answer.alarms["C50"] for _, answer in those]
        what = f"false alarms of C50, {size:,} a day"
        lines.append(rate_line("E9", what, counts, 0.5, _years(those)))
    return lines


def _wrong_clocks(found: Found[Faulted]) -> list[Line]:
    """E10: what C01 and C12 find, and what they find together with C02."""
    lines = []
    for shift in SHIFTS:
        for checks, least in ((("C01", "C12"), 0.95), (("C01", "C02", "C12"), None)):
            asked = Asked(shift, checks, SOON, ALARMS)
            what = f"times {shift}: {' or '.join(checks)} alarms by day 2"
            lines.append(_fault_line("E10", what, found, asked, least))
    return lines


def _definitions(found: Found[Faulted]) -> list[Line]:
    """E12."""
    ties, rules = Asked("tie-break", ("C33",)), Asked("rules rewritten", ("C38",))
    cuts = Asked("cut points +10 %", ("C33",))
    return [
        _fault_line("E12", "other tie-break in the history: C33 error that day", found, ties, 1.0),
        _fault_line("E12", "rules rewritten in place: C38 error that day", found, rules, 1.0),
        _fault_line("E12", "cut points +10 % untold: C33 error that day", found, cuts, 1.0),
    ]


def _natural_movement(found: Found[SteadyYear]) -> list[Line]:
    """E13."""
    lines = []
    for what, usual_only in (("", False), (", no scheduled scorecard", True)):
        months = [
            month
            for _, answer in found
            for month in answer.months
            if month.is_usual or not usual_only
        ]
        silent = sum(not month.is_alarmed for month in months)
        name = f"months without drift: C30 and C31 silent{what}"
        lines.append(share_line("E13", name, silent, len(months), least=0.99))
    return lines


def _first_nights(found: Found[FirstNights]) -> list[Line]:
    """E14."""
    nights = sum(answer.nights for _, answer in found)
    quiet = nights - sum(answer.nights_with_errors for _, answer in found)
    results = sum(answer.results for _, answer in found)
    waiting = sum(answer.insufficient for _, answer in found)
    return [
        share_line("E14", "first 28 nights: no error", quiet, nights, least=1.0),
        share_line("E14", "of their results, those that say too little", waiting, results),
    ]


def volume_table(found: Found[VolumeYear]) -> str:
    """E15: rules about volume on the same days."""
    sizes = [size for size in _sizes(found) if size != min(_sizes(found))]
    faults = sorted({fault for _, answer in found for fault in answer.tried})
    rules = ["C02, error", "C02, warning"]
    rules += sorted({rule for _, answer in found for rule in answer.alarms} - set(rules))
    rows = []
    for rule in rules:
        cells = []
        for size in sizes:
            answers = [(trial, answer) for trial, answer in _of_size(found, size)]
            false = rate([answer.alarms[rule] for _, answer in answers], _years(answers))
            shares = [f"{_share(answers, fault, rule):.2f}" for fault in faults]
            cells.append(" / ".join([number(false.value), *shares]))
        rows.append([rule, *cells])
    header = ["rule", *(f"{size:,} orders a day" for size in sizes)]
    legend = "alarms a year on healthy days / found that day: " + " / ".join(faults)
    return f"{legend}\n\n{markdown(header, rows)}"


def _share(found: Found[VolumeYear], fault: str, rule: str) -> float:
    tried = sum(answer.tried[fault] for _, answer in found)
    return sum(answer.found[fault, rule] for _, answer in found) / max(tried, 1)


def drift_table(years: Found[Year], found: Found[Faulted], size: int) -> str:
    """E15: rules about drift on the same nights, companies of one size."""
    asked: Counter[str] = Counter()
    alarmed: Counter[str] = Counter()
    for _, year in _of_size(years, size):
        asked.update(year.asked)
        alarmed.update(year.alarmed)
    faulted = [one for _, one in _of_size(found, size)]
    rows = [
        [
            rule,
            percent(alarmed[rule] / asked[rule]),
            *(
                percent(sum(one.answers[case][rule] for one in faulted) / max(len(faulted), 1))
                for case in ASKED
            ),
        ]
        for rule in asked
    ]
    names = [f"{fault}, after {day + 1} d" for fault, day in ASKED]
    return markdown(["rule", "healthy nights", *names], rows)


def check_table(found: Found[Year]) -> str:
    """Alarms that begin per healthy year, by check and size."""
    sizes = _sizes(found)
    keys = sorted({(asset, check) for _, year in found for _, asset, check in year.begun},
                  key=lambda key: (key[1], key[0]))  # fmt: skip
    rows = []
    for asset, check in keys:
        cells = []
        for size in sizes:
            those = _of_size(found, size)
            years = _years(those) * len(those)
            errors, warnings = (
                sum(year.begun[status, asset, check] for _, year in those) / years
                for status in ("error", "warn")
            )
            cells.append(f"{errors:.2f} / {warnings:.2f}")
        rows.append([check, asset, *cells])
    header = ["check", "about", *(f"{size:,} a day: errors / warnings" for size in sizes)]
    return markdown(header, rows)
