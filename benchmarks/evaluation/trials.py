"""Trials on one simulated company each, under the checks as they ship.

Every trial draws its company from a seed of its own and returns plain counts, so that companies can
be spread over processes and the sum does not depend on how. Trials that need only the number of
orders of each day are in `volume`; what the counts mean for the goals is in `protocol`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from benchmarks.evaluation import baselines, faults
from benchmarks.evaluation.labels import cards_of, read_segments
from benchmarks.evaluation.nights import Delivered, Evening, judge, read_definitions, walk
from benchmarks.evaluation.worlds import CHANNELS, DAYS, LAST_YEAR, draw_traits, simulate, steady
from orchestration.measures.verdict import roll_up

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.evaluation.labels import Card
    from benchmarks.evaluation.worlds import World
    from orchestration.measures.checks import Result

Worst: TypeAlias = dict[str, str]

ALARMS = ("warn", "error")
# Checks of what segments are worth describe a company; they do not say that data are wrong.
USEFULNESS = "usefulness"
MOVEMENT_TABLES = (
    "transitions",
    "moves_by_cause",
    "segment_daily_metrics",
    "definition_log",
    "daily_series",
)
MOVEMENT_CHECKS = ("C20", "C30", "C31")
FIRST_NIGHTS = 28
WEEK = 7
MONTH = 30
LONG_SILENCE = 20
# A fault begins early enough for its last night to lie in the scored year.
LAST_START = DAYS - LONG_SILENCE - 1
# Drift rules that look at every row are skipped for companies with more orders a day.
MOST_FOR_ROWS = 500
HEALTHY = "none"
# Faults on which the drift rules of others are asked, and after how many days.
ASKED = (
    ("silent", 4),
    ("silent", LONG_SILENCE - 1),
    ("cents, all rows", 0),
    ("cents, 10 % of rows", 0),
    ("a day late", 2),
    ("cut points +10 %", WEEK - 1),
)


@dataclass(frozen=True)
class Trial:
    """One company of an evaluation.

    Attributes:
        kind: what is done with it.
        seed: of the company; no two trials share one.
        orders_per_day: its size.
        nights: nights that are scored.
        season: size of the season of a company that is steady otherwise.
    """

    kind: str
    seed: tuple[int, ...]
    orders_per_day: float
    nights: int = DAYS - LAST_YEAR
    season: float = 0.0


@dataclass
class Year:
    """What happened in the scored nights of a company.

    Attributes:
        begun: alarms that were not there the night before, by status, asset and check.
        nights: nights by what was true of them.
        answers: nights on which a drift rule was asked, and on which it alarmed, by rule.
    """

    begun: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    nights: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    alarmed: Counter[str] = field(default_factory=Counter)
    _before: dict[tuple[str, str], str] | None = None

    def add(self, results: Iterable[Result]) -> None:
        results = list(results)
        # The first night only says what was there already.
        if self._before is not None:
            for one in results:
                if _is_new(one.status, self._before.get((one.check_id, one.subject), "pass")):
                    self.begun[one.status, one.asset, one.check_id] += 1
            self.nights.update(name for name, is_so in facts(results).items() if is_so)
        self._before = {(one.check_id, one.subject): one.status for one in results}

    def ask(self, answers: dict[str, bool]) -> None:
        self.asked.update(answers.keys())
        self.alarmed.update(rule for rule, alarm in answers.items() if alarm)


def _is_new(status: str, before: str) -> bool:
    """Whether a status is an alarm that the night before did not have, or only as a warning."""
    return status in ALARMS and before not in (("error",) if status == "error" else ALARMS)


def facts(results: Iterable[Result]) -> dict[str, bool]:
    """What is true of a night, beside its single alarms."""
    results = list(results)
    rolled = roll_up(results)
    about_data = {one.status for one in results if one.asset != USEFULNESS}
    return {
        "judged": True,
        "error": "error" in about_data,
        "warning": bool(about_data & set(ALARMS)),
        "publication held": not rolled.allows_publication,
        "activation held": not rolled.allows_activation,
        "audience held": bool(rolled.held_audiences),
    }


def worst(results: Iterable[Result]) -> Worst:
    """The worst status of each check that alarmed or could not judge."""
    found: Worst = {}
    for one in results:
        if one.status == "error" or (one.status == "warn" and found.get(one.check_id) != "error"):
            found[one.check_id] = one.status
    return found


def company(trial: Trial) -> tuple[World, np.random.Generator]:
    rng = np.random.default_rng(trial.seed)
    return simulate(rng, draw_traits(rng, trial.orders_per_day)), rng


def healthy_year(trial: Trial) -> Year:
    """Every night of a healthy year under all checks; drift rules of others once a week."""
    world, _ = company(trial)
    definitions = read_definitions()
    year = Year()
    nights = range(LAST_YEAR - 1, LAST_YEAR + trial.nights)
    for evening in walk(Delivered(world), read_segments(), nights):
        results = judge(evening, definitions)
        year.add(results)
        if evening.night % WEEK == 0:
            year.ask(drift_answers(evening) | own_answers(results))
    return year


def own_answers(results: Iterable[Result]) -> dict[str, bool]:
    told = facts(results)
    return {
        "our checks, error": told["error"],
        "our checks, warning or error": told["warning"],
    }


def drift_answers(evening: Evening) -> dict[str, bool]:
    """What the drift rules of others say: segments and customers against the scorecard's day.

    Orders are compared between the windows that the flow checks compare.
    """
    snapshot, seen = evening.snapshot, evening.seen
    then = snapshot.sizes(max(snapshot.card.calibrated_on, snapshot.first_known))[1:]
    stability = baselines.psi(then, snapshot.sizes(evening.night)[1:])
    answers = {
        "PSI of segment shares > 0.10": stability > 0.10,
        "PSI of segment shares > 0.25": stability > 0.25,
    }
    if evening.world.traits.orders_per_day > MOST_FOR_ROWS:
        return answers
    before, now = snapshot.card.population, snapshot.features()
    orders = evening.world.orders
    channels = [
        np.bincount(orders.channel[places], minlength=len(CHANNELS))
        for places in (seen.earlier, seen.current)
    ]
    answers["Evidently default, customers"] = any(
        baselines.evidently_number(before[name], now[name]) for name in now
    )
    answers["Evidently default, orders"] = baselines.evidently_category(*channels) or any(
        baselines.evidently_number(values[seen.earlier], values[seen.current])
        for values in (orders.cents, orders.items)
    )
    return answers


@dataclass(frozen=True)
class SteadyWeek:
    """What C20 said of a week; it is usual unless a scheduled scorecard took effect in it."""

    p_value: float
    status: str
    is_usual: bool


@dataclass(frozen=True)
class SteadyMonth:
    """Whether a check alarmed; it is usual unless a scheduled scorecard took effect in it."""

    is_alarmed: bool
    is_usual: bool


@dataclass
class SteadyYear:
    """Tests of single weeks and the movement of single months of a company without drift.

    Attributes:
        weeks: C20 for weeks that do not overlap.
        months: C30 and C31 over 30 nights each.
    """

    weeks: list[SteadyWeek] = field(default_factory=list)
    months: list[SteadyMonth] = field(default_factory=list)


def is_recut(evening: Evening, days: int = WEEK) -> bool:
    """Whether a scheduled scorecard took effect on one of the days that end with the night."""
    first = evening.night - days
    return any(first < card.valid_from <= evening.night for card in evening.snapshot.cards())


def steady_year(trial: Trial) -> SteadyYear:
    """A year without growth, promotions or drift, with a season if the trial has one."""
    rng = np.random.default_rng(trial.seed)
    traits = steady(draw_traits(rng, trial.orders_per_day), trial.season)
    world = simulate(rng, traits)
    definitions = read_definitions(MOVEMENT_CHECKS)
    year = SteadyYear()
    alarms: list[bool] = []
    recuts: list[bool] = []
    nights = range(LAST_YEAR, LAST_YEAR + trial.nights)
    for evening in walk(Delivered(world), read_segments(), nights, MOVEMENT_TABLES):
        results = judge(evening, definitions)
        alarms.append(any(one.status in ALARMS for one in results if one.check_id != "C20"))
        recuts.append(is_recut(evening, days=1))
        if evening.night % WEEK == 0:
            year.weeks += [
                SteadyWeek(one.p_value, one.status, not is_recut(evening))
                for one in results
                if one.check_id == "C20" and one.p_value is not None
            ]
    starts = range(0, len(alarms) - MONTH + 1, MONTH)
    year.months = [
        SteadyMonth(any(alarms[start : start + MONTH]), not any(recuts[start : start + MONTH]))
        for start in starts
    ]
    return year


@dataclass
class FirstNights:
    """The first nights of a company: errors by check, and nights judged or not judgeable."""

    errors: Counter[str] = field(default_factory=Counter)
    nights: int = 0
    nights_with_errors: int = 0
    results: int = 0
    insufficient: int = 0


def first_nights(trial: Trial) -> FirstNights:
    """The nights from the first order on; the scorecard of each is cut that night."""
    world, _ = company(trial)
    definitions = read_definitions()
    counted = FirstNights()
    first = int(world.orders.day[0])
    for night in range(first, first + FIRST_NIGHTS):
        for evening in walk(Delivered(world), read_segments(), [night]):
            results = judge(evening, definitions)
            counted.nights += 1
            counted.results += len(results)
            counted.insufficient += sum(one.status == "insufficient_data" for one in results)
            counted.nights_with_errors += any(one.status == "error" for one in results)
            counted.errors.update({one.check_id for one in results if one.status == "error"})
    return counted


@dataclass
class Faulted:
    """What a fault did to the nights after it began.

    Attributes:
        customers: with a segment when the faults begin.
        is_recut: whether a scheduled scorecard took effect in the week before or after.
        nights: alarms by fault and days since it began; the fault `none` is the healthy twin.
        answers: what the rules said, by fault and days since it began, where `ASKED`.
    """

    customers: int = 0
    is_recut: bool = False
    nights: dict[str, dict[int, Worst]] = field(default_factory=dict)
    answers: dict[tuple[str, int], dict[str, bool]] = field(default_factory=dict)


def fault_nights(trial: Trial) -> Faulted:
    """A company that is healthy up to a random night, with every fault beginning then."""
    world, rng = company(trial)
    definitions = read_definitions()
    segments = read_segments()
    start = int(rng.integers(LAST_YEAR, LAST_START))
    counted = Faulted()
    for fault, (delivered, days) in _cases(world, start, rng).items():
        counted.nights[fault] = {}
        for evening in walk(delivered, segments, [start + day for day in days]):
            day = evening.night - start
            results = judge(evening, definitions)
            counted.nights[fault][day] = worst(results)
            if (fault, day) in ASKED:
                counted.answers[fault, day] = drift_answers(evening) | own_answers(results)
            if fault == HEALTHY and day == 0:
                counted.customers = int(evening.snapshot.sizes(evening.night)[1:].sum())
            if fault == HEALTHY and day < WEEK:
                counted.is_recut |= is_recut(evening)
    return counted


def _cases(
    world: World, start: int, rng: np.random.Generator
) -> dict[str, tuple[Delivered, tuple[int, ...]]]:
    """The faults, and the days since their beginning on which the checks are asked."""
    cards = cards_of(world, 0, start + WEEK)
    at_once, soon, week = (0,), (0, 1, 2), tuple(range(WEEK))
    return {
        HEALTHY: (Delivered(world), (*week, LONG_SILENCE - 1)),
        "silent": (
            Delivered(faults.silent(world, start, LONG_SILENCE)),
            (*range(5), LONG_SILENCE - 1),
        ),
        "double load": (Delivered(world, copies=faults.double_load(world, start)), at_once),
        "double load, changed": (
            Delivered(world, copies=faults.double_load(world, start, changed=True)),
            at_once,
        ),
        "cents, all rows": (Delivered(faults.wrong_unit(world, start, 1.0, rng)), soon),
        "cents, 10 % of rows": (Delivered(faults.wrong_unit(world, start, 0.1, rng)), soon),
        "8 hours early": (Delivered(faults.shifted(world, start, -8)), soon),
        "8 hours late": (Delivered(faults.shifted(world, start, 8)), soon),
        "a day early": (Delivered(faults.shifted(world, start, -24)), soon),
        "a day late": (Delivered(faults.shifted(world, start, 24)), soon),
        "cut points +10 %": (
            Delivered(world, cards=faults.moved_cuts(cards, start, 110), edit=_scored_anew),
            week,
        ),
        "tie-break": (Delivered(world, edit=_other_ties), at_once),
        "rules rewritten": (Delivered(world, edit=_rewritten), at_once),
    }


def _other_ties(evening: Evening) -> None:
    """The history was labelled with values on a cut point above it, the definitions say below."""
    _differ(evening, faults.lifted(evening.snapshot.card))


def _scored_anew(evening: Evening) -> None:
    """The history was labelled with other cut points than those that the definitions tell of."""
    told = evening.snapshot.cards()[-1]
    _differ(evening, told)


def _differ(evening: Evening, card: Card) -> None:
    """Compare the labels of the night with those of another scorecard, as C33 reads it."""
    snapshot = evening.snapshot
    differing = int((snapshot.relabelled(card) != snapshot.labels(evening.night)).sum())
    evening.tables["recompute"] = [
        row | {"differing": differing} for row in evening.tables["recompute"]
    ]


def _rewritten(evening: Evening) -> None:
    """Rules have other content under the published name."""
    evening.tables["definition_log"] = [
        row | {"content_hash": "other"} if row["definition_type"] == "segment_rules" else row
        for row in evening.tables["definition_log"]
    ]
