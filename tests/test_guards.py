"""Guards: a list that looks wrong waits for a person, and one that is forbidden never goes."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.activation import ledger
from orchestration.activation.approvals import ApprovalError, approve_list, approved_guards
from orchestration.activation.destinations import Delivery
from orchestration.activation.evidence import find_evidence
from orchestration.activation.lists import (
    desired_members,
    protected_removals,
    withhold_by_identifier,
)
from orchestration.measures.delivery_guards import (
    NEVER_STOPS,
    UNAPPROVABLE,
    Counts,
    Evidence,
    judge,
)
from orchestration.overlay import rules_dir
from orchestration.rules import RuleFileError, read_audiences, read_guards
from orchestration.warehouse import open_database, open_scratch
from tests.fake_destination import DAY, GUARDS, STRICT, Endpoint, Shop, client, people
from tests.judged import RULES_DIR

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestration.activation.delivering import DeliveryReport
    from orchestration.measures.audience_tables import Audience, AudienceBook
    from orchestration.warehouse import Session
    from tests.conftest import Installation

CALM = Counts(previous=200, desired=200, added=0, removed=0)
SAMPLE_DAY = date(2026, 6, 30)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    one = Endpoint()
    yield one
    one.close()


@pytest.fixture
def shop() -> Iterator[Shop]:
    with open_scratch() as session:
        yield Shop(session)


@pytest.mark.parametrize(
    ("counts", "reasons"),
    [
        (Counts(1000, 800, 0, 200), ()),
        (Counts(1000, 799, 0, 201), ("G01",)),
        (Counts(99, 100, 50, 49), ("G03",)),
        (Counts(99, 100, 49, 48), ()),
        (Counts(100, 120, 41, 21), ("G01",)),
        (Counts(1000, 1500, 500, 0), ()),
        (Counts(1000, 1501, 501, 0), ("G03",)),
        (Counts(0, 5000, 5000, 0), ()),
        (Counts(10_000, 9499, 0, 501), ("G02",)),
        (Counts(1000, 0, 0, 0), ("G04", "G05")),
        (Counts(0, 99, 99, 0), ("G05",)),
        (Counts(10_000, 7000, 0, 3000), ("G01", "G02")),
    ],
)
def test_the_guards_stop_what_is_likely_a_mistake(counts: Counts, reasons: tuple[str]) -> None:
    decision = judge(counts, STRICT, GUARDS)
    assert decision.reasons == reasons
    assert decision.is_stopped is bool(reasons)


@pytest.mark.parametrize(("previous", "removed"), [(2000, 500), (2000, 501), (5000, 1000)])
def test_many_removals_need_a_look_even_where_the_share_is_allowed(
    previous: int, removed: int
) -> None:
    limits = replace(STRICT, max_removed_share=0.9)
    stopped = judge(Counts(previous, previous - removed, 0, removed), limits, GUARDS).reasons
    assert stopped == (("G02",) if removed > 500 else ())


@given(previous=st.integers(0, 10_000), removed=st.integers(0, 10_000), more=st.integers(0, 10_000))
def test_more_removals_never_release_the_guards(previous: int, removed: int, more: int) -> None:
    less = judge(Counts(previous, 500, 0, removed), STRICT, GUARDS).reasons
    assert set(less) <= set(judge(Counts(previous, 500, 0, removed + more), STRICT, GUARDS).reasons)


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        (Evidence(without_consent=1), "G06"),
        (Evidence(suppressed=1), "G07"),
        (Evidence(malformed=1), "G08"),
        (Evidence(has_new_rules=True), "G11"),
        (Evidence(held_segments=2), "G12"),
    ],
)
def test_what_is_found_about_the_rows_stops_a_list_of_any_size(
    evidence: Evidence, reason: str
) -> None:
    assert judge(CALM, STRICT, GUARDS, evidence).reasons == (reason,)


def test_a_large_list_that_comes_back_after_it_was_emptied_is_no_first_one() -> None:
    back = Counts(previous=0, desired=100, added=100, removed=0)
    assert judge(back, STRICT, GUARDS).reasons == ()
    assert judge(back, STRICT, GUARDS, Evidence(was_let_go=True)).reasons == ("G03",)
    few = Counts(previous=0, desired=99, added=99, removed=0)
    limits = replace(STRICT, minimum_size=0)
    assert judge(few, limits, GUARDS, Evidence(was_let_go=True)).reasons == ()


def test_what_was_left_out_already_is_only_told() -> None:
    decision = judge(CALM, STRICT, GUARDS, Evidence(over_cap=3))
    assert (decision.is_stopped, decision.warnings) == (False, ("G09",))


@pytest.mark.parametrize(
    ("counts", "warnings"),
    [
        (Counts(1000, 900, 0, 100), ()),
        (Counts(1000, 899, 0, 101), ("G01",)),
        (Counts(1000, 1250, 250, 0), ()),
        (Counts(1000, 1251, 251, 0), ("G03",)),
        (Counts(100, 150, 0, 0), ()),
        (Counts(100, 149, 0, 0), ("G05",)),
    ],
)
def test_half_way_to_a_limit_is_a_warning(counts: Counts, warnings: tuple[str, ...]) -> None:
    decision = judge(counts, STRICT, GUARDS)
    assert (decision.is_stopped, decision.warnings) == (False, warnings)


@given(
    approved=st.frozensets(st.sampled_from(sorted(GUARDS))),
    evidence=st.builds(
        Evidence,
        without_consent=st.integers(0, 2),
        suppressed=st.integers(0, 2),
        malformed=st.integers(0, 2),
        over_cap=st.integers(0, 2),
        has_new_rules=st.booleans(),
        held_segments=st.integers(0, 2),
    ),
    counts=st.builds(Counts, *[st.integers(0, 300)] * 4),
)
def test_an_approval_lifts_its_own_guard_and_never_a_ban(
    approved: frozenset[str], evidence: Evidence, counts: Counts
) -> None:
    bare = judge(counts, STRICT, GUARDS, evidence)
    decision = judge(counts, STRICT, GUARDS, evidence, approved)
    lifted = {code for code in approved if GUARDS[code].can_be_approved}
    assert set(decision.reasons) == set(bare.reasons) - lifted
    assert set(bare.reasons) & (UNAPPROVABLE | {"G12"}) <= set(decision.reasons)
    assert not NEVER_STOPS & set(bare.reasons)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("G06,consent,", "G13,consent,", "each of G01"),
        (
            ',above,,false,"Members whose newest',
            ',above,,true,"Members whose newest',
            "nobody approves",
        ),
        (
            "G05,audience_min,Members against what the destination serves,below",
            "G05,audience_min,x,beside",
            "above or below",
        ),
    ],
)
def test_a_guard_that_is_missing_or_open_to_everybody_is_refused(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    text = (RULES_DIR / "delivery_guards.csv").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "delivery_guards.csv").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(RuleFileError, match=said):
        read_guards(tmp_path)


def test_a_list_made_by_other_rules_waits_for_a_person(shop: Shop, endpoint: Endpoint) -> None:
    """X51."""
    shop.wants(people("ann", "ben"))
    assert shop.delivers(client(endpoint), rules_hash="first").status == "complete"
    shop.wants(people("ann", "cid"))
    shop.protects({"ben": "consent"})
    stopped = _delivers_with_evidence(shop, endpoint, "second", "g2")
    assert (stopped.status, stopped.decision.reasons) == ("stopped", ("G11",))
    assert sorted(shop.members()) == ["ann"]  # who objects leaves all the same
    # Asked again and again, the answer stays the same.
    assert _delivers_with_evidence(shop, endpoint, "second", "g2").status == "stopped"

    approve(shop, "rules_changed")
    assert _delivers_with_evidence(shop, endpoint, "second", "g2").status == "complete"
    assert sorted(shop.members()) == ["ann", "cid"]
    shop.wants(people("ann"))
    shop.protects({})
    assert _delivers_with_evidence(shop, endpoint, "second", "g3").status == "complete"
    assert _delivers_with_evidence(shop, endpoint, "first", "g4").status == "stopped"


def _delivers_with_evidence(
    shop: Shop, endpoint: Endpoint, rules_hash: str, generation: str
) -> DeliveryReport:
    delivery = Delivery("vip", "crm", DAY, generation)
    known = ledger.rules_let_go(shop.session, delivery)
    return shop.delivers(
        client(endpoint),
        generation=generation,
        evidence=Evidence(has_new_rules=known is not None and known != rules_hash),
        approved=approved_guards(shop.session, delivery, rules_hash),
        rules_hash=rules_hash,
    )


def approve(
    shop: Shop,
    check: str,
    day: date = DAY,
    by: str = "ann@example.com",
    reason: str = "the new rule is meant",
) -> None:
    approve_list(shop.session, GUARDS, "vip", check, day, by=by, reason=reason)


def test_an_approval_is_for_one_guard_and_one_list(shop: Shop, endpoint: Endpoint) -> None:
    """X45."""
    shop.wants(people(*(f"m{number}" for number in range(100))))
    limits = replace(STRICT, minimum_size=0)
    shop.delivers(client(endpoint), limits=limits)
    shop.wants({})
    stopped = shop.delivers(client(endpoint), limits=limits, generation="g2")
    assert stopped.decision.reasons == ("G01", "G04")
    approve(shop, "G01")
    approve(shop, "G01")
    assert shop.session.fetch("select count(*) from delivery.approvals") == [(1,)]
    this = Delivery("vip", "crm", DAY, "g2")
    assert approved_guards(shop.session, this, "rules") == {"G01"}
    assert approved_guards(shop.session, this, "other rules") == set()
    for other in (
        replace(this, audience="other"),
        replace(this, destination="other"),
        replace(this, as_of_date=DAY + timedelta(1)),
        replace(this, generation="g3"),
    ):
        assert approved_guards(shop.session, other, "rules") == set()

    half = shop.delivers(client(endpoint), limits=limits, generation="g2", approved={"G01"})
    assert (half.status, half.decision.reasons) == ("stopped", ("G04",))
    guards = dict(
        shop.session.fetch("select check_id, status from delivery.guards where generation = 'g2'")
    )
    assert (guards["G01"], guards["G04"], guards["G02"]) == ("approved", "error", "pass")
    approve(shop, "audience_empty")
    whole = shop.delivers(client(endpoint), limits=limits, generation="g2", approved={"G01", "G04"})
    assert (whole.status, shop.members()) == ("complete", {})


@pytest.mark.parametrize(
    ("check", "said"),
    [
        *((code, "cannot be approved") for code in ("G06", "G07", "G08", "G10", "G12")),
        ("G99", "no guard of that name"),
        ("G02", "stopped no list"),
    ],
)
def test_what_nobody_may_approve_is_refused_with_the_remedy(
    shop: Shop, endpoint: Endpoint, check: str, said: str
) -> None:
    shop.wants(people("ann"))
    shop.delivers(client(endpoint))
    shop.wants({})
    shop.delivers(client(endpoint), limits=replace(STRICT, minimum_size=0))
    with pytest.raises(ApprovalError, match=said):
        approve(shop, check)
    with pytest.raises(ApprovalError, match="stopped no list"):
        approve(shop, "G04", day=DAY - timedelta(1))
    with pytest.raises(ApprovalError, match="a name and a reason"):
        approve(shop, "G04", by=" ")
    with pytest.raises(ApprovalError, match="a name and a reason"):
        approve(shop, "G04", reason="")


# On the sample shop: the questions that are asked of the inputs once more


@pytest.fixture(scope="module")
def asked(sample_shop: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    path = tmp_path_factory.mktemp("asked") / "warehouse.duckdb"
    shutil.copy(sample_shop.settings.warehouse_path, path)
    book = read_audiences(rules_dir(sample_shop.settings, sample_shop.config))
    with open_database(path, read_only=False) as session:
        yield Asked(session, book)


@dataclass
class Asked:
    """A warehouse whose lists are asked about; what a test changes is rolled back."""

    session: Session
    book: AudienceBook

    @property
    def audiences(self) -> dict[str, Audience]:
        return {row.audience: row for row in self.book.audiences if row.preset in ("*", "default")}

    def evidence(self, name: str, change: str = "", of_rows: str = "") -> Evidence:
        """Ask about a list after a change of the tables, or of the rows that would be sent."""
        audience = self.audiences[name]
        places = {row.destination: row for row in self.book.destinations}
        destination = places[audience.destination]
        delivery = Delivery(name, destination.destination, SAMPLE_DAY, "g")
        self.session.run("begin")
        try:
            if change:
                self.session.run(change)
            desired_members(self.session, audience, destination)
            if of_rows:
                self.session.run(of_rows)
            return find_evidence(
                self.session, delivery, audience, destination, book=self.book, rules_hash=""
            )
        finally:
            self.session.run("rollback")

    def count(self, query: str) -> int:
        return self.session.fetch(query)[0][0]


def test_no_member_of_the_sample_is_objected_to(asked: Asked) -> None:
    for name in asked.audiences:
        found = asked.evidence(name)
        assert (found.without_consent, found.suppressed, found.malformed) == (0, 0, 0)


@pytest.mark.parametrize(
    ("reason", "field"), [("no_consent", "without_consent"), ("suppressed", "suppressed")]
)
def test_whoever_slips_into_a_list_is_found_by_the_second_question(
    asked: Asked, reason: str, field: str
) -> None:
    """Every candidate whom the models keep out for the reason is put into the list by force."""
    seen = 0
    for name in asked.audiences:
        kept_out = f"""
            from activation.activation_decisions
            where audience = '{name}' and as_of_date = date '{SAMPLE_DAY}'
                and reason = '{reason}' and has_key
        """
        slipped = asked.count(f"select count(*) {kept_out}")
        found = asked.evidence(
            name,
            "insert into activation.audience_memberships (audience, customer_id, as_of_date,"
            f" destination) select audience, customer_id, as_of_date, 'x' {kept_out}",
        )
        assert getattr(found, field) >= slipped > -1
        if reason == "no_consent":
            assert found.without_consent == slipped
        seen += slipped
    assert seen > 10


@pytest.mark.parametrize(
    ("name", "of_rows", "found"),
    [
        ("lookalike_seed", "update delivery_desired set email = 'a@example.com'", "all"),
        ("lookalike_seed", "update delivery_desired set member_key = upper(member_key)", "all"),
        ("lookalike_seed", "update delivery_desired set phone = '+31612345678'", "all"),
        ("cross_sell", "update delivery_desired set row_hash = ''", "all"),
        ("cross_sell", "insert into delivery_desired select * from delivery_desired", "twice"),
        ("cross_sell", "update delivery_desired set email = 'a@example.com'", "none"),
    ],
)
def test_rows_of_a_wrong_form_are_found(asked: Asked, name: str, of_rows: str, found: str) -> None:
    members = asked.count(
        f"select count(*) from activation.audience_memberships where audience = '{name}'"
    )
    expected = {"all": members, "twice": 2 * members, "none": 0}[found]
    assert members > 50
    assert asked.evidence(name, of_rows=of_rows).malformed == expected


def test_a_suppressed_hash_is_found_whatever_key_the_list_uses(asked: Asked) -> None:
    people = "(select customer_id, email_sha256 from activation.people)"
    members = asked.session.fetch(
        f"select email_sha256 from {people} as people semi join activation.audience_memberships"
        " as members on people.customer_id = members.customer_id and audience = 'lookalike_seed'"
        " where email_sha256 is not null order by 1 limit 2"
    )
    added = ", ".join(f"('email_sha256', '{value}', 'ads', null)" for (value,) in members)
    found = asked.evidence(
        "lookalike_seed",
        "create or replace view staging.stg_shop__suppressions as"
        f" select * from (values {added}) as t (kind, value, purpose, added_on)",
    )
    assert found.suppressed == len(members) == 2


def test_a_held_segment_holds_its_audiences_until_somebody_accepts_it(asked: Asked) -> None:
    failing = (
        "update checks.check_results set status = 'error'"
        f" where check_id = 'C40' and subject = 'champions' and as_of_date = date '{SAMPLE_DAY}'"
    )
    accepted = (
        f"; insert into checks.approvals values (date '{SAMPLE_DAY}', 'C40', 'ann', 'small',"
        f" date '{SAMPLE_DAY}')"
    )
    assert asked.evidence("vip_early_access").held_segments == 0
    assert asked.evidence("vip_early_access", failing).held_segments == 1
    assert asked.evidence("lookalike_seed", failing).held_segments == 1
    assert asked.evidence("cross_sell", failing).held_segments == 0
    assert asked.evidence("vip_early_access", failing + accepted).held_segments == 0


def test_a_member_whose_yes_ended_leaves_whatever_the_rules_say(asked: Asked) -> None:
    """Also one whom the audience does not describe any more, so that no model is asked."""
    audience = asked.audiences["onboarding"]
    unsaid = """
        select people.customer_id from activation.people as people
        anti join activation.activation_decisions as decisions
            on people.customer_id = decisions.customer_id and decisions.audience = 'onboarding'
        left join activation.activation_consents as consents
            on people.customer_id = consents.customer_id and purpose = 'marketing'
            and channel = 'email' and as_of_date = (
                select max(as_of_date) from activation.activation_consents
            )
        where {condition}
    """
    no_yes = unsaid.format(condition="not coalesce(is_granted, false)")
    a_yes = unsaid.format(condition="is_granted")
    asked.session.run("begin")
    try:
        asked.session.run(
            "delete from delivery.members; insert into delivery.members select 'onboarding',"
            f" 'email_list', customer_id, customer_id, '', 'g', date '{SAMPLE_DAY}' from ({no_yes}"
            f" union all {a_yes}) as held"
        )
        place = next(row for row in asked.book.destinations if row.destination == "email_list")
        protected_removals(asked.session, audience, place, SAMPLE_DAY)
        removed = "select customer_id from delivery_protected"
        assert asked.count(f"select count(*) from ({no_yes})") > 20
        assert asked.count(f"select count(*) from ({no_yes} except {removed})") == 0
        kept = asked.count(f"select count(*) from ({a_yes} except {removed})")
        suppressed = "select customer_id from activation.activation_suppressed"
        assert kept == asked.count(f"select count(*) from ({a_yes} except {suppressed})") > 50
    finally:
        asked.session.run("rollback")


@pytest.mark.parametrize(
    ("objector", "member", "is_barred"),
    [
        ("Ann@Example.com", "ann@example.com", True),
        ("a.nn+shop@gmail.com", "ann@googlemail.com", True),
        ("ann+shop@example.com", "ann@example.com", True),
        ("a.nn@example.com", "ann@example.com", False),
        ("ann@example.org", "ann@example.com", False),
    ],
)
def test_a_hash_that_an_objector_shares_does_not_go_out(
    asked: Asked, objector: str, member: str, is_barred: bool
) -> None:
    audience = asked.audiences["lookalike_seed"]
    places = {row.destination: row for row in asked.book.destinations}
    (one,), (other,) = asked.session.fetch(
        "select customer_id from activation.audience_memberships"
        " where audience = 'lookalike_seed' order by 1 limit 2"
    )
    asked.session.run("begin")
    try:
        for customer, mail in ((one, objector), (other, member)):
            asked.session.run(
                "update activation.people set email = ?, phone_sha256 = null where customer_id = ?",
                [mail, customer],
            )
        asked.session.run(
            "insert into activation.activation_suppressed values (?, 'all', date '1900-01-01')",
            [one],
        )
        for name, expected in (("google_ads", is_barred), ("email_list", False)):
            protected_removals(asked.session, audience, places[name], SAMPLE_DAY)
            barred = asked.session.fetch("select distinct customer_id from delivery_protected")
            assert (one,) in barred
            assert ((other,) in barred) is expected
    finally:
        asked.session.run("rollback")


@pytest.mark.parametrize("written", ["0170 12345678", "+49 (0)170 12345678", "+4917012345678"])
@pytest.mark.parametrize("how", ["suppressed", "shared"])
def test_a_number_is_known_however_it_is_written(asked: Asked, written: str, how: str) -> None:
    """A suppressed number, or one that somebody who objects has as well, in any way of writing."""
    audience = asked.audiences["lookalike_seed"]
    place = next(row for row in asked.book.destinations if row.destination == "google_ads")
    objector, member = (
        row[0]
        for row in asked.session.fetch(
            "select customer_id from activation.audience_memberships"
            " where audience = 'lookalike_seed' order by 1 limit 2"
        )
    )
    asked.session.run("begin")
    try:
        for customer, phone in ((objector, written), (member, "0170/1234 5678")):
            asked.session.run(
                "update activation.people set email = customer_id || '@example.com', phone = ?,"
                " country = 'DE', phone_sha256 = null where customer_id = ?",
                [phone, customer],
            )
        if how == "shared":
            asked.session.run(
                "insert into activation.activation_suppressed values (?, 'all', date '1900-01-01')",
                [objector],
            )
        else:
            number = hashlib.sha256(b"+4917012345678").hexdigest()
            asked.session.run(
                "create or replace view staging.stg_shop__suppressions as select"
                f" 'phone_sha256' as kind, '{number}' as value, 'all' as purpose,"
                " null::varchar as reason, null::date as added_on"
            )
        protected_removals(asked.session, audience, place, SAMPLE_DAY)
        desired_members(asked.session, audience, place)
        before = asked.count("select count(*) from delivery_desired")
        withheld = withhold_by_identifier(asked.session, audience, place, SAMPLE_DAY)
        assert asked.count("select count(*) from delivery_desired") == before - withheld
        left = asked.session.fetch("select customer_id from delivery_desired")
        assert not {(objector,), (member,)} & set(left)
        out = asked.session.fetch("select customer_id from delivery_protected")
        assert {(objector,), (member,)} <= set(out)
    finally:
        asked.session.run("rollback")


def test_a_list_for_mails_carries_no_numbers(asked: Asked) -> None:
    places = {row.destination: row for row in asked.book.destinations}
    desired_members(asked.session, asked.audiences["cross_sell"], places["email_list"])
    assert asked.count("select count(email) from delivery_desired") > 50
    assert asked.count("select count(phone) from delivery_desired") == 0


def test_a_no_without_a_day_is_found_by_the_second_question(asked: Asked) -> None:
    members = asked.session.fetch(
        "select customer_id from activation.audience_memberships where audience = 'cross_sell'"
        " order by 1 limit 2"
    )
    told = ", ".join(
        f"('{customer}', 'marketing', 'email', 'DENY', date '1900-01-01', null)"
        for (customer,) in members
    )
    found = asked.evidence(
        "cross_sell", f"insert into activation.activation_statements values {told}"
    )
    assert found.without_consent == 2


def test_a_child_in_a_list_for_ads_is_found_by_the_second_question(asked: Asked) -> None:
    child = "update activation.people set birth_date = date '2015-01-01' where customer_id = ("
    child += "select min(customer_id) from activation.audience_memberships where audience = '{}')"
    assert asked.evidence("lookalike_seed", child.format("lookalike_seed")).without_consent == 1
    assert asked.evidence("cross_sell", child.format("cross_sell")).without_consent == 0


def test_a_member_whom_nobody_heard_of_is_protected_as_well(asked: Asked) -> None:
    """An addition whose answer was lost, and whose person is gone since."""
    place = next(row for row in asked.book.destinations if row.destination == "email_list")
    asked.session.run("begin")
    try:
        asked.session.run(
            "insert into delivery.attempts select 'key', 'cross_sell', 'email_list',"
            f" date '{SAMPLE_DAY}', 'g', 'gone', 'gone', '', 'add', 'unknown', '', 1"
        )
        protected_removals(asked.session, asked.audiences["cross_sell"], place, SAMPLE_DAY)
        query = "select cause from delivery_protected where customer_id = 'gone'"
        assert asked.session.fetch(query) == [("erasure",)]
    finally:
        asked.session.run("rollback")
