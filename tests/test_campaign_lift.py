"""Campaigns end to end: arms against an oracle that counts by hand, then what is said of them."""

from __future__ import annotations

import json
import random
import re
from collections import Counter, defaultdict
from dataclasses import fields, replace
from datetime import date, timedelta
from decimal import Decimal
from math import isnan
from typing import TYPE_CHECKING, Any, get_args

import duckdb
import pytest

from orchestration.measurement import lift_row
from orchestration.measurement_tables import TABLES
from orchestration.measures import campaign_lift, fairness_report
from orchestration.measures import holdout_checks as checking
from orchestration.measures.activation_limits import Limit, limits_of
from orchestration.measures.campaign_lift import campaign_lifts
from orchestration.measures.campaigns import Arms, Campaign, Cell, Tally, arms_of, cell_of
from orchestration.measures.fairness import Group, hidden_selections
from orchestration.measures.fairness_report import SegmentGroup, Selection, fairness_rows
from orchestration.measures.holdout import (
    BUCKETS,
    bucket,
    detectable_rate,
    is_held_out,
    power_of_rates,
)
from orchestration.measures.holdout_checks import holdout_checks, mismatched_campaigns
from orchestration.overlay import SEEDS_DIR
from orchestration.rules import RuleFileError, read_activation_limits
from orchestration.warehouse import DuckdbSession
from tests.compiled import Compiler, variables
from tests.worlds import FIRST_RULES, SETTINGS, Merge, Order, World, cuts, stages

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from orchestration.measures.campaign_lift import CampaignLift
    from orchestration.measures.campaigns import Period
    from orchestration.measures.holdout_checks import HoldoutCheck
    from tests.conftest import Installation

AS_OF = date(2024, 6, 30)
LIMITS = read_activation_limits(SEEDS_DIR / "rules")
HOLDOUTS = [
    {"audience": "*", "salt": "all", "share": "0.1"},
    {"audience": "quiet", "salt": "quiet-1", "share": "0.3"},
    {"audience": "came", "salt": "came-1", "share": "0.5"},
]
# audience: (kind, days apart, stages, fewest orders, most orders, longest silence)
AUDIENCES = {
    "quiet": ("state", None, {"at_risk", "dormant", "lost"}, 1, None, 150),
    "came": ("entering", 30, {"new", "active"}, 1, 3, None),
    "went": ("leaving", 30, {"new", "active", "reactivated"}, None, None, None),
    "never": ("state", None, {"prospect"}, None, None, None),
}
# campaign: (audience, first day, last day)
CAMPAIGNS = {
    "quiet-1": ("quiet", date(2024, 4, 1), date(2024, 4, 20)),
    "quiet-2": ("quiet", date(2024, 6, 20), date(2024, 7, 10)),
    "came-1": ("came", date(2024, 5, 1), date(2024, 5, 30)),
    "went-1": ("went", date(2024, 4, 10), date(2024, 4, 10)),
    "never-1": ("never", date(2024, 3, 1), date(2024, 5, 1)),
    "next-1": ("quiet", date(2024, 7, 5), date(2024, 7, 14)),
}


# The arms


def shop_with_campaigns(seed: int) -> World:
    """Sixty accounts, some merged, some without an order, with all that decides about messages."""
    draw = random.Random(seed)
    names = [f"c{number:02}" for number in range(60)]
    start = date(2024, 1, 1)

    def some_day(first: date = start, days: int = 200) -> date:
        return first + timedelta(days=draw.randrange(days))

    orders = [
        Order(
            f"o{name}-{place}",
            name,
            some_day(),
            Decimal(draw.randrange(500, 9000)) / 100,
            draw.choices(("completed", "cancelled"), (9, 1))[0],
        )
        for name in names[:52]
        for place in range(draw.choice((1, 1, 2, 4)))
    ]
    campaigns = [
        (name, audience, first, last, Decimal(50))
        for name, (audience, first, last) in CAMPAIGNS.items()
    ]
    answers = [
        (
            draw.choice(names),
            name,
            draw.choice(("email", None)) if kind in {"unsubscribe", "complaint"} else "email",
            kind,
            some_day(CAMPAIGNS[name][1] - timedelta(days=2), 25),
        )
        for kind in draw.choices(("open", "click", "unsubscribe", "complaint", "bounce"), k=400)
        if kind not in {"unsubscribe", "complaint"} or draw.random() < 0.05
        for name in (draw.choice(list(CAMPAIGNS)),)
    ]
    return World(
        orders=[*orders, Order("anchor", "anchor", AS_OF, Decimal(20))],
        refunds=[],
        merges=[
            Merge(one, "c20", some_day(date(2024, 3, 1), 100)) for one in names[:3]
        ] + [Merge("c04", "c50", date(2024, 5, 10))],
        settings=SETTINGS | {"score_method": "fixed"},
        as_of=AS_OF,
        segment_rules=FIRST_RULES,
        lifecycle_stages=stages(),
        fixed_score_cuts=cuts(),
        people={
            "customers": [
                (name, f"{name}@example.com" if draw.random() < 0.9 else None, None, None,
                 some_day() if draw.random() < 0.5 else None)
                for name in names
            ],
            "consents": [
                (name, "marketing", "email", status, some_day(date(2023, 12, 1), 120),
                 date(2024, 4, 25) if status == "GRANT" and draw.random() < 0.1 else None)
                for name in names
                for status in draw.choice(
                    (("GRANT",), ("GRANT",), ("GRANT",), ("GRANT", "REVOKED"), ())
                )
            ],
            "suppressions": [
                ("customer_id", draw.choice(names), purpose, added)
                for purpose, added in (("all", None), ("marketing", date(2024, 4, 15)),
                                       ("ads", None))
            ],
            "campaigns": campaigns,
            "contacts": [
                (draw.choice(names), "email", draw.choice(list(CAMPAIGNS)),
                 some_day(date(2024, 2, 1), 140))
                for _ in range(80)
            ],
            "responses": answers,
        },
        rules={
            "audiences": [
                {
                    "audience": name, "preset": "*", "kind": kind, "within_days": days,
                    "stages": "|".join(sorted(named)), "min_orders": least, "max_orders": most,
                    "max_silence_days": silence, "purpose": "marketing", "channel": "email",
                    "destination": "email_list", "name": name, "description": name,
                    "action": name, "priority": str(place), "objective": name,
                    "objective_metric": "conversion", "objective_target": name, "owner": name,
                    "reviewed_on": "2024-01-01",
                }
                for place, (name, (kind, days, named, least, most, silence)) in enumerate(
                    AUDIENCES.items()
                )
            ],
            "holdouts": HOLDOUTS,
            "contact_caps": [{"channel": "*", "days": "30", "max_contacts": "1"}],
        },
    )  # fmt: skip


class Oracle:
    """Counts what the arms did, customer by customer; labels of a day are the timeline's."""

    def __init__(self, world: World, connection: duckdb.DuckDBPyConnection) -> None:
        self.world = world
        self.timeline = defaultdict(list)
        for row in connection.execute(
            "select customer_id, valid_from, valid_to, lifecycle_stage, segment, m_score, orders,"
            " last_order_date from marts.customer_timeline"
        ).fetchall():
            self.timeline[row[0]].append(row[1:])
        self.now = {
            row[0]
            for row in connection.execute("select customer_id from marts.customers").fetchall()
        }
        self.into = {
            merge.customer_id: merge.merged_into
            for merge in world.merges
            if merge.merge_date is None or merge.merge_date <= AS_OF
        }
        self.mail = {row[0]: row[1] for row in world.people["customers"]}
        self.known_on = {row[0]: row[4] or date.min for row in world.people["customers"]}

    def person(self, account: str) -> str:
        while account in self.into:
            account = self.into[account]
        return account

    def state(
        self, customer: str, day: date
    ) -> tuple[str, str, int | None, int, int | None] | None:
        """Stage, segment, money score, orders and silence of a day; None for a stranger."""
        for first, end, stage, segment, score, orders, last in self.timeline[customer]:
            if first <= day < end:
                return stage, segment, score, orders, (day - last).days if last else None
        if customer in self.known_on and self.known_on[customer] <= day:
            return "prospect", "none", None, 0, None
        return None

    def is_described(self, audience: str, customer: str, day: date) -> bool:
        _, _, named, least, most, longest = AUDIENCES[audience]
        found = self.state(customer, day)
        if found is None:
            return False
        stage, _, _, orders, silence = found
        return (
            stage in named
            and orders >= (least or 0)
            and (most is None or orders <= most)
            and (longest is None or (silence is not None and silence <= longest))
        )

    def is_meant(self, audience: str, customer: str, day: date) -> bool:
        kind, days, *_ = AUDIENCES[audience]
        if customer not in self.now or self.state(customer, day) is None:
            return False
        today = self.is_described(audience, customer, day)
        if kind == "state":
            return today
        then = self.is_described(audience, customer, day - timedelta(days=days or 0))
        return today and not then if kind == "entering" else then and not today

    def may_be_written_to(self, customer: str, day: date) -> bool:
        people = self.world.people
        for kind, value, purpose, added in people["suppressions"]:
            assert kind == "customer_id"
            if (
                self.person(value) == customer
                and purpose in {"all", "marketing"}
                and (added or date.min) <= day
            ):
                return False
        said = [
            (given, status == "GRANT" and (ends is None or ends > day))
            for who, _, _, status, given, ends in people["consents"]
            if self.person(who) == customer and given <= day
        ]
        said += [
            (given, False)
            for who, _, _, kind, given in people["responses"]
            if self.person(who) == customer
            and kind in {"unsubscribe", "complaint"}
            and given <= day
        ]
        newest = max((given for given, _ in said), default=None)
        is_granted = newest is not None and all(is_yes for given, is_yes in said if given == newest)
        return is_granted and self.mail.get(customer) is not None

    def cells(self) -> dict[tuple[Any, ...], Counter[str]]:
        """What each cell of `campaign_arms` must hold."""
        found: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
        for campaign, (audience, first, last) in CAMPAIGNS.items():
            days = timedelta((last - first).days + 1)
            begun = min(first, AS_OF)
            eve = begun - timedelta(days=1)
            for period, day, end, later in (
                ("campaign", begun, last, last + days),
                ("before", begun - days, eve, eve),
            ):
                for customer in sorted(self.now):
                    if self.is_meant(audience, customer, day) and self.may_be_written_to(
                        customer, day
                    ):
                        key = (campaign, period, *self.place(audience, customer, day))
                        message = campaign if period == "campaign" else None
                        found[key].update(self.deeds(customer, message, day, end, later))
        return found

    def place(self, audience: str, customer: str, day: date) -> tuple[Any, ...]:
        state = self.state(customer, day)
        assert state is not None
        is_out = any(
            is_held_out(row["salt"], customer, float(row["share"]))
            for row in HOLDOUTS
            if row["audience"] in {"*", audience}
        )
        return ("held_out" if is_out else "treated", state[1], state[2])

    def deeds(
        self, customer: str, campaign: str | None, first: date, last: date, later: date
    ) -> dict[str, Any]:
        own = [
            order
            for order in self.world.orders
            if self.person(order.customer_id) == customer
            and order.status == "completed"
            and first <= order.ordered_at <= min(later, AS_OF)
        ]
        during = [order for order in own if order.ordered_at <= last]
        money = sum((order.amount for order in during), Decimal(0))
        people = self.world.people
        return {
            "customers": 1,
            "contacted": any(
                self.person(who) == customer and what == campaign and day <= AS_OF
                for who, _, what, day in people["contacts"]
            ),
            "visitors": any(
                self.person(who) == customer
                and what == campaign
                and kind in {"open", "click"}
                and first <= day <= last
                for who, what, _, kind, day in people["responses"]
            ),
            "converters": bool(during),
            "orders": len(during),
            "revenue": money,
            "revenue_squares": money**2,
            "retained": len(own) > len(during),
        }


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Compiler:
    return Compiler(tmp_path_factory.mktemp("compiled"), with_activation=True)


@pytest.fixture(scope="module", params=range(4))
def built(
    request: pytest.FixtureRequest, compiler: Compiler
) -> Iterator[tuple[World, duckdb.DuckDBPyConnection]]:
    world = shop_with_campaigns(request.param)
    with compiler.build(world) as connection:
        yield world, connection


def records(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    return DuckdbSession(connection).fetch_records(query)


def test_arms_are_what_counting_by_hand_gives(
    built: tuple[World, duckdb.DuckDBPyConnection],
) -> None:
    world, connection = built
    found = {}
    for row in records(connection, "select * from activation.campaign_arms"):
        cell = cell_of(row)
        key = (cell.campaign_id, cell.period, cell.arm, cell.segment, cell.m_score)
        assert key not in found
        found[key] = vars(cell.tally)
    expected = Oracle(world, connection).cells()
    assert {key: dict(counts) for key, counts in expected.items()} == found


def test_the_worlds_have_arms_to_compare(compiler: Compiler) -> None:
    """The oracle would agree with empty tables; orders, answers and both arms must be there."""
    seen: Counter[str] = Counter()
    for seed in range(4):
        with compiler.build(shop_with_campaigns(seed)) as connection:
            for row in records(connection, "select * from activation.campaign_arms"):
                cell = cell_of(row)
                seen[cell.campaign_id] += cell.tally.customers
                seen[cell.arm] += cell.tally.customers
                seen.update({name: int(getattr(cell.tally, name)) for name in vars(cell.tally)})
    assert all(seen[name] > 5 for name in (*CAMPAIGNS, "treated", "held_out"))
    assert {part.name: seen[part.name] > 5 for part in fields(Tally)} == dict.fromkeys(
        vars(Tally()), True
    )


def test_the_draw_of_the_warehouse_is_the_one_of_the_measures(compiler: Compiler) -> None:
    settings = json.dumps(variables(shop_with_campaigns(0)), sort_keys=True)
    decisions = dict(compiler.statements(settings))["activation.activation_decisions"]
    drawn = re.search(r"\(cast\('0x'.+?4294967296\.0\)", decisions)
    assert drawn
    draw = drawn[0].replace("holdouts.salt", "salt").replace("required.customer_id", "name")
    names = [*(f"c{number}" for number in range(500)), "ümlaut", "a:b", "", "漢字"]
    with duckdb.connect() as connection:
        for salt in ("all", "quiet-1"):
            query = f"select name, {draw} from (select ? as salt, unnest(?) as name)"
            assert dict(connection.execute(query, [salt, names]).fetchall()) == {
                name: bucket(salt, name) / BUCKETS for name in names
            }


# What is said of them


def campaign(**other: Any) -> Campaign:
    made = Campaign(
        campaign_id="spring",
        audience="vip",
        is_measured=True,
        started_on=date(2026, 4, 1),
        ended_on=date(2026, 4, 30),
        retained_to=date(2026, 5, 30),
        days=30,
        cost=Decimal(1000),
        planned_share=0.5,
    )
    return replace(made, **other)


def tally(customers: int, opened: float, ordered: float, basket: int, **other: Any) -> Tally:
    """An arm of which shares opened and ordered, each a basket of the same size."""
    buyers = round(customers * ordered)
    return replace(
        Tally(
            customers=customers,
            contacted=customers,
            visitors=round(customers * opened),
            converters=buyers,
            orders=buyers,
            revenue=Decimal(buyers * basket),
            revenue_squares=Decimal(buyers * basket**2),
            retained=buyers,
        ),
        **other,
    )


def cells(
    treated: Tally,
    held_out: Tally,
    period: Period = "campaign",
    segment: str = "champions",
    m_score: int | None = 5,
) -> list[Cell]:
    return [
        Cell("spring", period, "treated", segment, m_score, treated),
        Cell("spring", period, "held_out", segment, m_score, held_out),
    ]


DAY = date(2026, 6, 30)
# A list of everybody: 18 % open and 0.4 % order. Written for a few: 42 % and 3.1 %.
EVERYBODY = tally(10_000, 0.18, 0.004, 50)
WRITTEN_FOR = tally(10_000, 0.42, 0.031, 20)


def lifts(
    made: Sequence[Cell], of: Campaign | None = None, mismatched: Collection[str] = ()
) -> dict[tuple[str, str], CampaignLift]:
    rows = campaign_lifts(DAY, [of or campaign()], made, mismatched, LIMITS)
    return {(row.metric, row.segment): row for row in rows}


def test_the_demonstration_reproduces_its_arithmetic() -> None:
    rows = lifts(cells(WRITTEN_FOR, EVERYBODY))

    conversion = lift_row(rows["conversion", "all"])
    assert conversion["treated_value"] == 0.031
    assert conversion["held_out_value"] == 0.004
    assert conversion["ratio"] == pytest.approx(7.75)
    assert conversion["relative_lift"] == pytest.approx(6.75)
    assert conversion["ratio_low"] < 7.75 < conversion["ratio_high"]
    assert conversion["incremental"] == pytest.approx(270)
    assert conversion["verdict"] == "more"
    assert "3.10% of 10,000 treated and 0.40% of 10,000 held out ordered" in conversion["message"]
    assert "7.75 times" in conversion["message"]
    assert rows["visit", "all"].ratio.value == pytest.approx(0.42 / 0.18)

    # 310 baskets of 20 are 6,200; 40 of 50 are 2,000: +210 %.
    revenue = lift_row(rows["revenue", "all"])
    assert revenue["ratio"] == pytest.approx(3.1)
    assert revenue["relative_lift"] == pytest.approx(2.1)
    assert revenue["roas"] == pytest.approx(6.2)
    assert revenue["iroas"] == pytest.approx(4.2)
    assert revenue["cost"] == 1000


def test_segments_stand_beside_all_and_add_up() -> None:
    made = [
        *cells(WRITTEN_FOR, EVERYBODY),
        *cells(EVERYBODY, EVERYBODY, segment="none", m_score=None),
        *cells(WRITTEN_FOR, WRITTEN_FOR, period="before"),
    ]
    rows = lifts(made)
    assert {segment for _, segment in rows} == {"all", "champions", "none"}
    assert rows["conversion", "all"].treated_customers == 20_000
    assert rows["conversion", "none"].verdict == "no_difference"
    assert "Chance explains it." in rows["conversion", "none"].message
    assert rows["revenue", "champions"].cost is None
    assert isnan(rows["revenue", "champions"].roas)


def test_harm_is_told() -> None:
    assert lifts(cells(EVERYBODY, WRITTEN_FOR))["conversion", "all"].verdict == "less"


@pytest.mark.parametrize(
    ("metric", "of", "mismatched", "made", "lack"),
    [
        ("conversion", campaign(), {"spring"}, (WRITTEN_FOR, EVERYBODY), "mismatched_arms"),
        ("conversion", campaign(ended_on=DAY + timedelta(days=1)), set(),
         (WRITTEN_FOR, EVERYBODY), "not_over"),
        ("retention", campaign(retained_to=DAY + timedelta(days=1)), set(),
         (WRITTEN_FOR, EVERYBODY), "not_over"),
        ("conversion", campaign(retained_to=DAY + timedelta(days=1)), set(),
         (WRITTEN_FOR, EVERYBODY), None),
        ("conversion", campaign(planned_share=0.0), set(), (WRITTEN_FOR, Tally()), "no_holdout"),
        ("conversion", campaign(), set(), (WRITTEN_FOR, Tally()), "too_few_customers"),
        ("conversion", campaign(), set(), (WRITTEN_FOR, tally(1000, 0.2, 0.009, 10)),
         "too_few_successes"),
        ("revenue", campaign(), set(), (WRITTEN_FOR, tally(1000, 0.2, 0.029, 10)),
         "too_few_payers"),
        ("visit", campaign(), set(), (tally(100, 0.4, 0.2, 10), tally(20, 0, 0.2, 10)),
         "too_few_successes"),
        ("visit", campaign(), set(), (tally(100, 0.6, 0.2, 10), tally(20, 0, 0.2, 10)), None),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_not_said(
    metric: str, of: Campaign, mismatched: set[str], made: tuple[Tally, Tally], lack: str | None
) -> None:
    row = lifts(cells(*made), of, mismatched)[metric, "all"]
    assert row.lack == lack
    assert (row.verdict == "unknown") is (lack is not None)
    assert ("Nothing can be said" in row.message) is (lack is not None)
    assert isnan(row.p_adjusted) is (lack is not None)


def test_campaigns_that_have_not_begun_or_cannot_be_measured_have_no_lift() -> None:
    made = cells(WRITTEN_FOR, EVERYBODY)
    assert lifts(made, campaign(started_on=DAY + timedelta(days=1))) == {}
    assert lifts(made, campaign(is_measured=False)) == {}


def test_chance_among_many_campaigns_is_corrected() -> None:
    weak = (tally(1000, 0.2, 0.060, 10), tally(1000, 0.2, 0.040, 10))
    one = lifts(cells(*weak))["conversion", "all"]
    assert (one.p_value < LIMITS.alpha, one.verdict) == (True, "more")

    many = [campaign(campaign_id=f"c{number}") for number in range(5)]
    made = [
        replace(cell, campaign_id=of.campaign_id, tally=cell.tally if not place else weak[1])
        for place, of in enumerate(many)
        for cell in cells(*weak)
    ]
    rows = campaign_lifts(DAY, many, made, set(), LIMITS)
    found = [row for row in rows if (row.metric, row.segment) == ("conversion", "all")]
    assert found[0].p_value == one.p_value
    assert found[0].p_adjusted == pytest.approx(5 * one.p_value)
    assert found[0].verdict == "no_difference"


# Whether they may be compared


def checks(made: Sequence[Cell], of: Campaign | None = None) -> dict[tuple[str, str], HoldoutCheck]:
    rows = holdout_checks(DAY, [of or campaign()], made, LIMITS)
    return {(row.check_name, row.subject): row for row in rows}


def test_arms_that_were_not_planned_so_are_found() -> None:
    fair = checks(cells(EVERYBODY, EVERYBODY))["sample_ratio", "arms"]
    assert (fair.verdict, fair.expected, fair.found) == ("pass", 0.5, 0.5)

    off = holdout_checks(DAY, [campaign(planned_share=0.4)], cells(EVERYBODY, EVERYBODY), LIMITS)
    assert mismatched_campaigns(off) == {"spring"}
    assert "no comparison may be believed" in off[0].message


def test_arms_of_other_people_are_found() -> None:
    alike = [*cells(EVERYBODY, EVERYBODY), *cells(EVERYBODY, EVERYBODY, m_score=1)]
    assert {row.verdict for name, row in checks(alike).items() if name[0] == "balance"} == {"pass"}

    small = replace(EVERYBODY, customers=8_000)
    other = [*cells(EVERYBODY, small), *cells(small, EVERYBODY, m_score=1)]
    found = checks(other)["balance", "champions 1"]
    assert (found.verdict, found.threshold) == ("warn", 0.1)
    assert found.effect == pytest.approx(-0.2236, abs=1e-3)


def test_power_goes_by_the_same_audience_earlier() -> None:
    before = cells(tally(500, 0, 0.1, 40), tally(500, 0, 0.1, 40), period="before")
    found = checks([*cells(tally(2000, 0, 0, 1), tally(2000, 0, 0, 1)), *before])

    conversion = found["power", "conversion"]
    assert conversion.expected == pytest.approx(0.1)
    # A tenth more than a tenth.
    assert conversion.found == pytest.approx(power_of_rates(0.11, 0.1, 2000, 2000))
    assert (conversion.verdict, conversion.threshold) == ("warn", 0.8)
    assert conversion.effect == detectable_rate(0.1, 2000, 2000).absolute
    assert conversion.relative_effect == pytest.approx(conversion.effect / 0.1)
    revenue = found["power", "revenue"]
    assert revenue.expected == pytest.approx(4)
    assert revenue.found < 0.8

    many = checks([*cells(tally(90_000, 0, 0, 1), tally(90_000, 0, 0, 1)), *before])
    assert many["power", "conversion"].verdict == "pass"

    nothing = checks(cells(EVERYBODY, EVERYBODY))
    assert nothing["power", "conversion"].verdict == "unknown"
    silent = cells(tally(9, 0, 0, 1), tally(9, 0, 0, 1), period="before")
    unmoved = checks([*cells(EVERYBODY, EVERYBODY), *silent])
    assert unmoved["power", "conversion"].verdict == "unknown"
    assert unmoved["power", "revenue"].verdict == "unknown"


def test_a_message_to_somebody_held_out_is_told() -> None:
    kept = replace(EVERYBODY, contacted=0)
    found = checks(cells(EVERYBODY, kept))
    assert found["contacts", "held_out"].verdict == "pass"
    assert checks(cells(EVERYBODY, EVERYBODY))["contacts", "held_out"].verdict == "warn"
    planned = checks(cells(EVERYBODY, kept), campaign(started_on=DAY + timedelta(days=1)))
    assert not any(name == "contacts" for name, _ in planned)
    assert ("sample_ratio", "arms") in planned


@pytest.mark.parametrize(
    ("of", "made", "word"),
    [
        (campaign(audience=None, is_measured=False), [], "names no audience"),
        (campaign(is_measured=False), [], "past day"),
        (campaign(planned_share=0.0), [], "holdouts"),
        (campaign(), [], "described nobody"),
    ],
)
def test_a_campaign_that_cannot_be_measured_says_why(
    of: Campaign, made: list[Cell], word: str
) -> None:
    ((place, row),) = checks(made, of).items()
    assert (place, row.verdict) == (("sample_ratio", "arms"), "unknown")
    assert word in row.message


# Groups of people


def test_a_group_that_is_passed_over_is_named() -> None:
    found = fairness_rows(
        DAY,
        [
            Selection("vip", "gender", "female", 1000, 400),
            Selection("vip", "gender", "male", 1000, 319),
            Selection("vip", "gender", "other", 60, 20),
            Selection("vip", "gender", "tiny", 9, 9),
        ],
        [],
        LIMITS,
    )
    told = {row.group_name: row for row in found}
    assert {name: row.verdict for name, row in told.items()} == {
        "female": "reference",
        "male": "adverse",
        "other": "fair",
    }
    assert told["male"].ratio == pytest.approx(0.7975)
    assert "less than 0.80" in told["male"].message


def test_few_people_are_not_told_of() -> None:
    found = fairness_rows(
        DAY,
        [
            Selection("vip", "age", "18-24", 100, 3),
            Selection("vip", "age", "25-34", 80, 40),
            Selection("vip", "age", "35-44", 400, 200),
        ],
        [],
        LIMITS,
    )
    told = {row.group_name: row for row in found}
    assert told["18-24"].verdict == "hidden"
    for row in told.values():
        if row.verdict == "hidden":
            assert row.selected is None
            assert isnan(row.rate)
            assert isnan(row.ratio)
    # With the sum known, one hidden count alone would be given back by the others.
    assert sum(row.verdict == "hidden" for row in told.values()) >= 2


def test_hidden_counts_have_room() -> None:
    draw = random.Random(7)
    k, seen = 5, 0
    for _ in range(300):
        groups = []
        for number in range(draw.randrange(1, 5)):
            total = draw.randrange(k, 30)
            groups.append(Group(f"g{number}", draw.randrange(total + 1), total))
        hidden = hidden_selections(groups, k)
        small = [one for one in groups if 0 < one.selected < k or 0 < one.total - one.selected < k]
        assert {one.name for one in small} <= hidden
        if len(hidden) == len(groups):
            continue
        inside = [one for one in groups if one.name in hidden]
        seen += bool(inside)
        sums = sum(one.selected for one in inside)
        for one in small:
            others = [part.total for part in inside if part is not one]
            possible = [count for count in range(one.total + 1) if 0 <= sums - count <= sum(others)]
            assert len(possible) > k
    assert seen > 20


def test_segments_that_stand_in_for_an_attribute_are_found() -> None:
    def foretold(matrix: list[list[int]]) -> Any:
        groups = [
            SegmentGroup(f"s{row}", "gender", f"g{column}", count)
            for row, counts in enumerate(matrix)
            for column, count in enumerate(counts)
        ]
        (found,) = fairness_rows(DAY, [], groups, LIMITS)
        return found

    proxy = foretold([[90, 10], [10, 90]])
    assert (proxy.verdict, proxy.customers) == ("proxy", 200)
    assert proxy.association == pytest.approx(0.8, abs=0.02)
    assert proxy.reduction == pytest.approx(0.8)
    assert foretold([[50, 50], [50, 50]]).verdict == "fair"
    assert foretold([[20, 20], [4, 5]]).verdict == "insufficient"


# Limits, tables, the sample shop


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("alpha", "0.9", "power lies above alpha"),
        ("power", "1", "power lies between 0 and 1"),
        ("fewest_payers", "2.5", "fewest_payers is a whole number"),
        ("smallest_lift", "0", "smallest_lift lies above 0"),
        ("events_days", "0", "events_days is a whole number"),
        ("responses_days", "30.5", "responses_days is a whole number"),
        ("imbalance", "much", "is not a number"),
    ],
)
def test_limits_that_cannot_be_are_refused(
    tmp_path: Path, name: str, value: str, told: str
) -> None:
    text = (SEEDS_DIR / "rules" / "activation_limits.csv").read_text(encoding="utf-8")
    lines = [
        f"{name},{value},why" if line.startswith(f"{name},") else line for line in text.splitlines()
    ]
    (tmp_path / "activation_limits.csv").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(RuleFileError, match=told):
        read_activation_limits(tmp_path)


def test_limits_are_all_there_once() -> None:
    rows = [Limit(part.name, getattr(LIMITS, part.name), "why") for part in fields(LIMITS)]
    assert limits_of(rows) == LIMITS
    with pytest.raises(ValueError, match="alpha is missing"):
        limits_of(rows[1:])
    with pytest.raises(ValueError, match="alpha stands there twice"):
        limits_of([rows[0], *rows])
    with pytest.raises(ValueError, match="beta is no limit"):
        limits_of([*rows, replace(rows[0], name="beta")])


def test_the_tables_name_every_value_that_a_row_may_have() -> None:
    accepted = {
        (table, column.name): set(column.accepted)
        for table, contract in TABLES.items()
        for column in contract.columns
        if column.accepted
    }
    assert accepted == {
        ("campaign_lift", "metric"): set(get_args(campaign_lift.Metric)),
        ("campaign_lift", "lack"): set(campaign_lift.LACKS),
        ("campaign_lift", "verdict"): set(get_args(campaign_lift.Verdict)),
        ("holdout_checks", "check_name"): set(get_args(checking.CheckName)),
        ("holdout_checks", "verdict"): set(get_args(checking.Verdict)),
        ("fairness_report", "measure"): set(get_args(fairness_report.Measure)),
        ("fairness_report", "verdict"): set(get_args(fairness_report.Verdict)),
    }


def test_the_published_rows_say_what_the_aggregates_hold(sample_shop: Installation) -> None:
    with duckdb.connect(
        sample_shop.settings.published_dir / "lifestage.duckdb", read_only=True
    ) as shown:
        found = {
            (campaign_id, metric): (treated, held_out, value)
            for campaign_id, metric, treated, held_out, value in shown.execute(
                "select campaign_id, metric, treated_customers, held_out_customers, treated_value"
                " from published.campaign_lift where segment = 'all'"
            ).fetchall()
        }
        groups = shown.execute("select count(*) from published.fairness_report").fetchall()
        mailed = shown.execute(
            "select sum(found) from published.holdout_checks where subject = 'held_out'"
        ).fetchall()
    with duckdb.connect(sample_shop.settings.warehouse_path, read_only=True) as connection:
        made = [
            cell_of(row) for row in records(connection, "select * from activation.campaign_arms")
        ]
    assert {campaign_id for campaign_id, _ in found} == {
        "SPRING-LAUNCH",
        "WINBACK-MAY",
        "LAST-CALL",
        "SUMMER-NEWS",
    }
    for (campaign_id, metric), (treated, held_out, value) in found.items():
        arms: Arms = arms_of([cell for cell in made if cell.campaign_id == campaign_id])
        assert (treated, held_out) == (arms.treated.customers, arms.held_out.customers)
        if metric == "conversion":
            assert value == arms.treated.converters / arms.treated.customers
            assert 0 < value < 1
    assert groups[0][0] > 0
    assert mailed == [(0.0,)]
