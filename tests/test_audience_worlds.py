"""Nobody who must not be written to is in any list, whatever comes in whatever order.

Small shops live through some nights on which people buy, agree, object, are merged, are forgotten
and come back. After each night the lists at the destinations are compared with those that this
module works out from the inputs, person by person.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from orchestration.activation import ledger
from orchestration.activation.delivering import prepare_delivery, send_delivery
from orchestration.activation.destinations import Delivery
from orchestration.activation.evidence import find_evidence
from orchestration.activation.lists import (
    DESIRED,
    PROTECTED,
    desired_members,
    protected_removals,
    withhold_by_identifier,
)
from orchestration.measures.audience_tables import (
    Audience,
    AudienceBook,
    ConsentRequirement,
    Destination,
)
from orchestration.measures.delivery_guards import Limits, judge
from orchestration.measures.holdout import is_held_out
from orchestration.overlay import SEEDS_DIR
from orchestration.rules import read_audiences
from orchestration.warehouse import DuckdbSession, Session
from tests.compiled import Compiler
from tests.fake_destination import FAULTS, GUARDS, LAX, NOW, Endpoint, Server, client
from tests.worlds import FIRST_RULES, SETTINGS, Merge, Order, World, cuts, stages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import duckdb

FIRST_NIGHT = date(2024, 6, 30)
NIGHTS = 4
UNDER_AGE = 16
STRICT = replace(LAX, judged_from=1, max_removed_share=0.2, max_added_share=0.3)
HOLDOUTS = [
    {"audience": "*", "salt": "all", "share": "0.1", "reason": "r"},
    {"audience": "buyers", "salt": "buyers-1", "share": "0.2", "reason": "r"},
]
CAPS = [
    {"channel": "email", "days": "7", "max_contacts": "2", "reason": "r"},
    {"channel": "*", "days": "30", "max_contacts": "3", "reason": "r"},
]
CONSENT = [
    {"region": "*", "purpose": "marketing", "channel": "email", "requires": "grant"},
    {"region": "NZ", "purpose": "marketing", "channel": "email", "requires": "no_objection"},
    {"region": "*", "purpose": "ads", "channel": "ads", "requires": "grant"},
]
PURPOSES = {row["purpose"] for row in CONSENT}
# audience: (kind, days, stages, fewest orders, longest silence, archive after, channel)
AUDIENCES: dict[str, tuple[str, int | None, set[str], int, int | None, int | None, str]] = {
    "buyers": ("state", None, set(), 1, 150, None, "email"),
    "thanks": ("entering", 7, set(), 2, None, None, "email"),
    "quiet": ("state", None, {"at_risk", "dormant", "lost"}, 1, None, 10, "email"),
    "newcomers": ("state", None, {"prospect"}, 0, None, None, "email"),
    "seed": ("state", None, set(), 2, None, None, "ads"),
}


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def address(name: str) -> str:
    return f"{name}@example.com"


class Life:
    """A shop that grows by a few random events every night."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.day = FIRST_NIGHT
        self.erased: set[str] = set()
        self.merges: list[Merge] = []
        self.ordered = 0
        self.orders = [Order("anchor", "anchor", FIRST_NIGHT, Decimal(20))]
        self.people: dict[str, list[tuple[Any, ...]]] = {
            name: []
            for name in (
                *("customers", "consents", "suppressions", "campaigns", "contacts", "responses"),
            )
        }
        self.people["campaigns"] = [
            ("last-call", "quiet", date(2024, 3, 1), date(2024, 3, 31), Decimal(50))
        ]
        for number in range(14):
            self.arrive(f"p{number:02}")
        for _ in range(40):
            self.happen(self.some_day(180))

    def some_day(self, back: int) -> date:
        return self.day - timedelta(days=self.draw.randrange(back))

    def arrive(self, name: str) -> None:
        draw = self.draw
        mail = address(draw.choice((name, name, name, name, "p03")))  # some share an address
        self.people["customers"].append(
            (
                name,
                None if draw.random() < 0.1 else mail,
                draw.choice((None, date(1980, 5, 1), date(2008, 7, 2), date(2012, 1, 1))),
                None,
                draw.choice((None, self.some_day(100))),
                None,
                draw.choice((None, "NL", "NZ")),
                draw.choice((None, None, True, False)),
                draw.choice((None, True, False)),
            )
        )
        for _ in range(draw.choice((0, 1, 1, 2, 4))):
            self.buy(name, self.some_day(200))
        for purpose, channel in (("marketing", "email"), ("ads", "ads")):
            if draw.random() < 0.7:
                self.people["consents"].append(
                    (name, purpose, channel, "GRANT", self.some_day(200), None)
                )

    def buy(self, name: str, day: date) -> None:
        amount = Decimal(self.draw.randrange(500, 9000)) / 100
        self.ordered += 1
        self.orders.append(Order(f"o{self.ordered}", name, day, amount))

    @property
    def names(self) -> list[str]:
        return [row[0] for row in self.people["customers"]]

    def happen(self, day: date) -> None:
        """Let one thing happen to one person on a day."""
        draw, name = self.draw, self.draw.choice(self.names)
        event = draw.choice(
            (*("buy", "consent", "consent", "suppress", "contact", "contact", "answer"), "merge")
        )
        purpose, channel = draw.choice((("marketing", "email"), ("ads", "ads")))
        if event == "buy":
            self.buy(name, day)
        elif event == "consent":
            status = draw.choice(("GRANT", "GRANT", "DENY", "REVOKED"))
            ends = day + timedelta(days=draw.randrange(1, 60)) if status == "GRANT" else None
            ends = draw.choice((None, ends))
            self.people["consents"].append((name, purpose, channel, status, day, ends))
        elif event == "suppress" and draw.random() < 0.5:
            kind = draw.choice(("customer_id", "email_sha256"))
            value = name if kind == "customer_id" else sha(address(name))
            scope = draw.choice(("all", "marketing", "ads", "newsletter"))
            self.people["suppressions"].append((kind, value, scope, draw.choice((None, day))))
        elif event == "contact":
            campaign = draw.choice(("last-call", "other"))
            self.people["contacts"].append((name, "email", campaign, day))
        elif event == "answer":
            kind = draw.choice(("open", "click", "unsubscribe", "complaint"))
            kind = kind if draw.random() < 0.5 else "open"
            is_no = kind in ("unsubscribe", "complaint")
            how = draw.choice(("email", "ads", None)) if is_no else "email"
            self.people["responses"].append((name, "last-call", how, kind, day))
        elif event == "merge" and len(self.merges) < 3:
            free = [one for one in self.names if one > name]
            if free and name not in {one.customer_id for one in self.merges}:
                self.merges.append(Merge(name, draw.choice(free), day))

    def erase(self, name: str) -> None:
        """Take a person with all accounts out of every input, as an erasure does."""
        gone = {one for one in self.names if self.person(one) == self.person(name)}
        self.erased |= gone
        self.people = {
            what: [row for row in rows if row[0] not in gone and row[1] not in gone]
            for what, rows in self.people.items()
        }
        self.orders = [order for order in self.orders if order.customer_id not in gone]
        self.merges = [merge for merge in self.merges if merge.customer_id not in gone]

    def next_night(self) -> None:
        self.day += timedelta(days=self.draw.choice((1, 1, 5)))
        for _ in range(8):
            self.happen(self.some_day(4))
        if self.draw.random() < 0.6:
            self.erase(self.draw.choice(self.names))
        self.arrive(f"q{self.day:%m%d}")

    def world(self, mixed: random.Random | None = None) -> World:
        """Return the shop as of its day, with the rows of every input in any order."""

        def shuffled(rows: list[Any]) -> list[Any]:
            return mixed.sample(rows, len(rows)) if mixed else list(rows)

        return World(
            orders=shuffled(self.orders),
            refunds=[],
            merges=shuffled(self.merges),
            settings=SETTINGS | {"score_method": "fixed"},
            as_of=self.day,
            segment_rules=FIRST_RULES,
            lifecycle_stages=stages(),
            fixed_score_cuts=cuts(),
            people={name: shuffled(rows) for name, rows in self.people.items()},
            rules={
                "audiences": list(audience_rows()),
                "holdouts": HOLDOUTS,
                "contact_caps": CAPS,
                "consent_requirements": [row | {"reason": "r"} for row in CONSENT],
            },
        )

    # Who is who

    def person(self, account: str) -> str:
        into = {
            merge.customer_id: merge.merged_into
            for merge in self.merges
            if merge.merge_date is None or merge.merge_date <= self.day
        }
        while account in into:
            account = into[account]
        return account

    def record(self, customer: str) -> tuple[Any, ...]:
        known = (row for row in self.people["customers"] if row[0] == customer)
        return next(known, (customer, *[None] * 8))

    def is_suppressed(self, customer: str, purpose: str) -> bool:
        mails = {
            sha(row[1])
            for row in self.people["customers"]
            if row[1] and self.person(row[0]) == customer
        }
        return any(
            (scope == purpose or scope not in PURPOSES)
            and (added or date.min) <= self.day
            and (value in mails if kind == "email_sha256" else self.person(value) == customer)
            for kind, value, scope, added in self.people["suppressions"]
        )

    def is_under_age(self, customer: str) -> bool:
        born = self.record(customer)[2]
        return born is not None and born.replace(year=born.year + UNDER_AGE) > self.day

    def last_word(self, customer: str, purpose: str, channel: str) -> str:
        """Return yes, no, ended (a yes that expired) or nothing."""
        said: list[tuple[date, str]] = []
        for who, what, how, status, given_on, ends in self.people["consents"]:
            if (self.person(who), what, how) == (customer, purpose, channel):
                is_over = ends is not None and ends <= self.day
                word = "ended" if is_over else "yes"
                said.append((given_on, word if status == "GRANT" else "no"))
        for who, _, how, kind, on in self.people["responses"]:
            is_about_it = how in (None, channel)
            if self.person(who) == customer and kind in {"unsubscribe", "complaint"}:
                said += [(on, "no")] if is_about_it else []
        for row in self.people["customers"]:
            flag = row[7] if channel == "email" else row[8]
            if self.person(row[0]) == customer and flag is not None:
                # A flag has no day: its yes gives way to everything, its no to nothing.
                said.append((date.min, "yes") if flag else (date.max, "no"))
        said = [(day, word) for day, word in said if day <= self.day or day == date.max]
        last = max((day for day, _ in said), default=None)
        words = {word for day, word in said if day == last}
        return next((word for word in ("no", "ended", "yes") if word in words), "nothing")

    def objects(self, customer: str, channel: str) -> bool:
        """Tell whether somebody may not be in a list under any name they share with others."""
        purpose = "ads" if channel == "ads" else "marketing"
        return (
            self.is_suppressed(customer, purpose)
            or self.last_word(customer, purpose, channel) == "no"
            or (channel == "ads" and self.is_under_age(customer))
        )

    def lacks_consent(self, customer: str, channel: str) -> bool:
        purpose = "ads" if channel == "ads" else "marketing"
        word = self.last_word(customer, purpose, channel)
        is_lenient = self.record(customer)[6] == "NZ" and channel == "email"
        return word == "no" if is_lenient else word != "yes"

    def kept_out(self, audience: str, customer: str) -> str:
        """Say why somebody whom an audience describes is not in its list."""
        channel = AUDIENCES[audience][6]
        questions = {
            "suppressed": self.is_suppressed(customer, "ads" if channel == "ads" else "marketing"),
            "archived": self.is_archived(customer),
            "under_age": channel == "ads" and self.is_under_age(customer),
            "no_consent": self.lacks_consent(customer, channel),
            "no_key": not self.record(customer)[1],
            "over_cap": channel != "ads" and self.is_over_cap(customer),
            "held_out": channel != "ads" and self.is_held_out(audience, customer),
        }
        return next((reason for reason, is_so in questions.items() if is_so), "")

    def is_over_cap(self, customer: str) -> bool:
        # A row that is repeated in full is one message.
        sent = [
            (how, on)
            for who, how, _, on in set(self.people["contacts"])
            if self.person(who) == customer and on <= self.day
        ]
        return any(
            sum(
                on > self.day - timedelta(days=int(cap["days"])) and cap["channel"] in ("*", how)
                for how, on in sent
            )
            >= int(cap["max_contacts"])
            for cap in CAPS
        )

    def is_held_out(self, audience: str, customer: str) -> bool:
        return any(
            is_held_out(row["salt"], customer, float(row["share"]))
            for row in HOLDOUTS
            if row["audience"] in {"*", audience}
        )

    def is_archived(self, customer: str) -> bool:
        calls = [
            on
            for who, _, campaign, on in self.people["contacts"]
            if self.person(who) == customer and campaign == "last-call" and on <= self.day
        ]
        if not calls or max(calls) + timedelta(days=10) > self.day:
            return False
        signs = [
            on
            for who, _, _, kind, on in self.people["responses"]
            if self.person(who) == customer and kind in {"open", "click"} and on <= self.day
        ]
        signs += [
            order.ordered_at
            for order in self.orders
            if self.person(order.customer_id) == customer and order.ordered_at <= self.day
        ]
        return not any(on >= max(calls) for on in signs)


def audience_rows() -> Iterator[dict[str, Any]]:
    for place, (name, parts) in enumerate(AUDIENCES.items()):
        kind, days, named, least, silence, archive_after, channel = parts
        yield {
            **dict.fromkeys(("audience", "name", "description", "action", "objective"), name),
            **dict.fromkeys(("objective_target", "owner"), name),
            "preset": "*",
            "purpose": "ads" if channel == "ads" else "marketing",
            "kind": kind,
            "within_days": days,
            "segments": "",
            "stages": "|".join(sorted(named)),
            "min_orders": least,
            "max_orders": 0 if name == "newcomers" else None,
            "max_silence_days": silence,
            "archive_after_days": archive_after,
            "channel": channel,
            "destination": "google_ads" if channel == "ads" else "email_list",
            "priority": str(place),
            "objective_metric": "conversion",
            "reviewed_on": "2024-01-01",
        }


def book() -> AudienceBook:
    """The rules of the worlds, as the deliveries read them."""
    shipped = read_audiences(SEEDS_DIR / "rules")
    unsaid = {"min_monetary": None, "min_silence_days": None}
    rows: list[dict[str, Any]] = [
        row | unsaid | {"priority": 1, "reviewed_on": date(2024, 1, 1)} for row in audience_rows()
    ]
    return replace(
        shipped,
        audiences=tuple(Audience(**row) for row in rows),
        consent_requirements=tuple(ConsentRequirement(**row, reason="r") for row in CONSENT),
    )


@dataclass
class Destinations:
    """The lists as their destinations have them, and the ledger, carried from night to night."""

    endpoint: Endpoint
    servers: dict[str, Server]
    kept: dict[str, list[tuple[Any, ...]]]
    draw: random.Random

    def night(self, connection: duckdb.DuckDBPyConnection, life: Life, limits: Limits) -> set[str]:
        """Deliver every list; return those that were stopped."""
        session = DuckdbSession(connection)
        connection.execute("create schema checks")
        connection.execute(
            "create table checks.check_results (as_of_date date, check_id varchar, subject varchar,"
            " blocks varchar, status varchar)"
        )
        connection.execute(
            "create table checks.approvals (as_of_date date, check_id varchar, valid_until date)"
        )
        ledger.make_tables(session)
        for table, rows in self.kept.items():
            for row in rows:
                marks = ", ".join("?" for _ in row)
                session.run(f"insert into delivery.{table} values ({marks})", row)
        stopped = set()
        rules = book()
        for audience in rules.audiences:
            destination = next(
                one for one in rules.destinations if one.destination == audience.destination
            )
            delivery = Delivery(audience.audience, "x", life.day, "g")
            report = self.deliver(session, delivery, audience, destination, limits)
            if report:
                stopped.add(audience.audience)
        self.kept = {
            table: session.fetch(f"select * from delivery.{table}") for table in ledger.TABLES
        }
        return stopped

    def deliver(
        self,
        session: Session,
        delivery: Delivery,
        audience: Audience,
        destination: Destination,
        limits: Limits,
    ) -> bool:
        protected_removals(session, audience, destination, delivery.as_of_date)
        desired_members(session, audience, destination)
        withhold_by_identifier(session, audience, destination, delivery.as_of_date)
        rules = book()
        evidence = find_evidence(
            session, delivery, audience, destination, book=rules, rules_hash="same"
        )
        assert (evidence.without_consent, evidence.suppressed, evidence.malformed) == (0, 0, 0)
        session.run(f"update {DESIRED} set destination = 'x'")
        self.endpoint.server = self.servers[audience.audience]
        is_stopped = False
        for attempt in range(6):  # the last ones go well, as on later nights
            self.endpoint.server.faults = (
                [self.draw.choice(FAULTS)] if attempt < 2 and self.draw.random() < 0.4 else []
            )
            prepared = prepare_delivery(
                session,
                delivery,
                desired=DESIRED,
                protected=PROTECTED,
                judge=lambda counts: judge(counts, limits, GUARDS, evidence),
                rules_hash="same",
            )
            report = send_delivery(session, prepared, client(self.endpoint), now=lambda: NOW)
            is_stopped = prepared.decision.is_stopped
            if report.status in {"complete", "stopped"} and not report.unknown:
                break
        return is_stopped


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Compiler:
    return Compiler(tmp_path_factory.mktemp("compiled"), with_activation=True)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    one = Endpoint()
    yield one
    one.close()


def described(connection: duckdb.DuckDBPyConnection, life: Life) -> dict[str, set[str]]:
    """Whom each audience means, by the timeline and the conditions as this module reads them."""
    timeline = connection.execute(
        "select customer_id, valid_from, valid_to, lifecycle_stage, orders, last_order_date"
        " from marts.customer_timeline"
    ).fetchall()
    now = {
        row[0] for row in connection.execute("select customer_id from marts.customers").fetchall()
    }
    known_on = {row[0]: row[4] or date.min for row in life.people["customers"]}

    def state(customer: str, day: date) -> tuple[str, int, int | None] | None:
        for name, first, end, stage, orders, last in timeline:
            if name == customer and first <= day < end:
                return stage, orders, (day - last).days if last else None
        if customer in known_on and known_on[customer] <= day:
            return "prospect", 0, None
        return None

    def holds(audience: str, customer: str, day: date) -> bool:
        _, _, named, least, silence, _, _ = AUDIENCES[audience]
        found = state(customer, day)
        if found is None:
            return False
        stage, orders, silent = found
        return (
            (not named or stage in named)
            and orders >= least
            and (audience != "newcomers" or orders == 0)
            and (silence is None or (silent is not None and silent <= silence))
        )

    meant = {}
    for audience, (kind, days, *_) in AUDIENCES.items():
        meant[audience] = {
            customer
            for customer in now
            if holds(audience, customer, life.day)
            and (
                kind == "state"
                or not holds(audience, customer, life.day - timedelta(days=days or 0))
            )
        }
    return meant


def keys_of(life: Life, audience: str, customers: Iterable[str]) -> set[str]:
    """Name customers as the destination of an audience does."""
    if AUDIENCES[audience][6] != "ads":
        return set(customers)
    mails = (life.record(customer)[1] for customer in customers)
    return {sha(mail) for mail in mails if mail}


def check_bans(life: Life, audience: str, there: set[str]) -> None:
    """Nobody who objects, has no consent or was erased is in a list, stopped or not."""
    channel = AUDIENCES[audience][6]
    present = [name for name in life.names if life.person(name) == name]
    objecting = [name for name in present if life.objects(name, channel)]
    assert not there & keys_of(life, audience, objecting)
    unwilling = {name for name in present if life.lacks_consent(name, channel)}
    # An address of two people may be used if one of them agrees and the other said nothing.
    willing = keys_of(life, audience, set(present) - unwilling)
    assert not there & (keys_of(life, audience, unwilling) - willing)
    assert not there & (life.erased | {sha(address(name)) for name in life.erased} - willing)


def check_members(life: Life, audience: str, there: set[str], meant: set[str]) -> None:
    """A list that was not stopped holds those who are meant and allowed."""
    channel = AUDIENCES[audience][6]
    allowed = [name for name in meant if not life.kept_out(audience, name)]
    reluctant = [
        name
        for name in life.names
        if life.person(name) == name
        and (life.objects(name, channel) or life.lacks_consent(name, channel))
    ]
    assert there <= keys_of(life, audience, allowed)
    assert there >= keys_of(life, audience, allowed) - keys_of(life, audience, reluctant)


@settings(
    max_examples=6,
    phases=(Phase.explicit, Phase.generate),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**32), is_strict=st.booleans())
def test_no_list_holds_anybody_who_must_not_be_written_to(
    compiler: Compiler, endpoint: Endpoint, seed: int, is_strict: bool
) -> None:
    life = Life(seed)
    places = Destinations(
        endpoint, {name: Server() for name in AUDIENCES}, {}, random.Random(seed + 1)
    )
    for _ in range(NIGHTS):
        life.next_night()
        with compiler.build(life.world(random.Random(seed))) as connection:
            meant = described(connection, life)
            decided = set(
                connection.execute(
                    "select audience, customer_id, coalesce(reason, '')"
                    f" from activation.activation_decisions where as_of_date = date '{life.day}'"
                ).fetchall()
            )
            reach = connection.execute(
                "select candidates = contactable + suppressed + archived + under_age + no_consent"
                " + no_key + over_cap + held_out from activation.audience_reach"
            ).fetchall()
            stopped = places.night(connection, life, STRICT if is_strict else LAX)
        assert decided == {
            (audience, customer, life.kept_out(audience, customer))
            for audience, customers in meant.items()
            for customer in customers
        }
        assert reach == [(True,)] * len(AUDIENCES)
        for audience in AUDIENCES:
            there = [member for member, _ in places.servers[audience].rows]
            assert len(there) == len(set(there))
            check_bans(life, audience, set(there))
            if audience not in stopped:
                check_members(life, audience, set(there), meant[audience])


@settings(
    max_examples=3,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**32))
def test_the_order_of_the_rows_decides_nothing(compiler: Compiler, seed: int) -> None:
    life = Life(seed)
    found = []
    for mix in (1, 2):
        with compiler.build(life.world(random.Random(mix))) as connection:
            found.append(
                {
                    table: connection.execute(f"from activation.{table} order by all").fetchall()
                    for table in ("audience_memberships", "audience_changes", "audience_reach")
                }
            )
    assert found[0] == found[1]


def test_a_suppressed_address_stays_out_under_a_new_account(compiler: Compiler) -> None:
    """P10."""
    life = Life(10)
    for name in ("old", "new"):
        life.people["customers"].append((name, address("shared"), *[None] * 7))
        life.buy(name, life.day - timedelta(days=3))
        for purpose, channel in (("marketing", "email"), ("ads", "ads")):
            life.people["consents"].append((name, purpose, channel, "GRANT", life.day, None))
    query = (
        "select distinct customer_id, reason from activation.activation_decisions"
        f" where as_of_date = date '{life.day}' and customer_id in ('old', 'new') order by all"
    )
    with compiler.build(life.world()) as connection:
        before = connection.execute(query).fetchall()
    assert ("suppressed",) not in {row[1:] for row in before}
    life.people["suppressions"].append(("email_sha256", sha(address("shared")), "all", None))
    with compiler.build(life.world()) as connection:
        after = connection.execute(query).fetchall()
    assert after == [("new", "suppressed"), ("old", "suppressed")]
