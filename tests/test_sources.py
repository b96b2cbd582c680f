"""What the sample shop's sources say of the same people, counted again from the files."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import defaultdict
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from orchestration.overlay import rules_dir
from orchestration.rules import read_activation_limits

if TYPE_CHECKING:
    from tests.conftest import Installation

DAY = date(2026, 6, 30)
NOT_BORN_YET = "2099-01-01"  # a day of birth in the files that cannot be
DONE = {
    "open": "opened",
    "click": "clicked",
    "conversion": "converted",
    "unsubscribe": "unsubscribed",
    "complaint": "complained",
}


def rows_of(shop: Installation, name: str) -> list[dict[str, str]]:
    path = shop.root / "seeds" / "sample" / f"raw_{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def published(shop: Installation, query: str) -> list[dict[str, Any]]:
    path = shop.settings.published_dir / "lifestage.duckdb"
    with duckdb.connect(path, read_only=True) as connection:
        found = connection.execute(query)
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_accounts_with_one_number_are_told_without_the_number(sample_shop: Installation) -> None:
    customers = {row["customer_id"]: row for row in rows_of(sample_shop, "customers")}
    sharing: dict[str, set[str]] = defaultdict(set)
    for customer, row in customers.items():
        if row["phone"].startswith("+"):
            sharing[re.sub(r"\D", "", row["phone"])].add(customer)
    expected = {frozenset(people) for people in sharing.values() if len(people) > 1}
    assert expected
    found = defaultdict(list)
    for row in published(sample_shop, "select * from published.identity_conflicts"):
        found[row["kind"], row["conflict_id"]].append(row)
    # No two of them have one address, and no record has a flag.
    assert {kind for kind, _ in found} == {"phone"}
    assert {frozenset(row["customer_id"] for row in rows) for rows in found.values()} == expected
    for rows in found.values():
        people = [customers[row["customer_id"]] for row in rows]
        values = {
            name: len({person[name].lower() for person in people} - {"", NOT_BORN_YET}) > 1
            for name in ("first_name", "birth_date", "country")
        }
        assert [row["customers"] for row in rows] == [len(people)] * len(people)
        for row in rows:
            told = [row[name] for name in ("names_differ", "birth_dates_differ")]
            assert [*told, row["countries_differ"]] == list(values.values())
            assert row["consents_differ"] == (row["channels"] is not None)

    signs = [*sharing, *(f"+{number}" for number in sharing)]
    signs += [row["email"] for row in customers.values()]
    hashes = {
        digest(sign.encode()).hexdigest()
        for sign in signs
        for digest in (hashlib.sha256, hashlib.md5)
    }
    assert not hashes & {conflict for _, conflict in found}


@pytest.mark.parametrize("source", ["customers", "consents", "contacts", "responses"])
def test_coverage_of_a_source_is_the_share_of_customers_it_names(
    sample_shop: Installation, source: str
) -> None:
    (told,) = published(
        sample_shop, f"select * from published.source_coverage where source = '{source}'"
    )
    (total,) = published(sample_shop, "select count(*) as n from published.customers")
    named = {row["customer_id"] for row in rows_of(sample_shop, source)}
    assert told["is_delivered"]
    assert told["customers_named"] == len(named)
    assert float(told["customer_share"]) == pytest.approx(len(named) / total["n"], abs=5e-7)
    assert (told["ids_unknown"], told["unknown_share"]) == (0, 0)


def test_answers_are_those_of_the_segment_that_was_written_to(sample_shop: Installation) -> None:
    limits = read_activation_limits(rules_dir(sample_shop.settings, sample_shop.config))
    first = DAY - timedelta(days=int(limits.responses_days) - 1)
    segments = published(
        sample_shop,
        "select customer_id, valid_from, valid_to, segment from published.customer_timeline",
    )
    lives = defaultdict(list)
    for row in segments:
        lives[row["customer_id"]].append((row["valid_from"], row["valid_to"], row["segment"]))

    messages = defaultdict(list)
    contacted: dict[tuple[str | None, str], list[str]] = defaultdict(list)
    for row in rows_of(sample_shop, "contacts"):
        customer, channel = row["customer_id"], row["channel"]
        day = date.fromisoformat(row["contacted_at"])
        if first <= day <= DAY:
            held = [name for start, end, name in lives[customer] if start <= day < end]
            segment = held[0] if held else None
            contacted[segment, channel].append(customer)
            messages[customer, channel, row["campaign_id"]].append((day, segment))
    answered: dict[tuple[str | None, str, str], set[str]] = defaultdict(set)
    for row in rows_of(sample_shop, "responses"):
        day = date.fromisoformat(row["responded_at"])
        before = [
            message
            for message in messages[row["customer_id"], row["channel"], row["campaign_id"]]
            if message[0] <= day <= DAY
        ]
        if before:
            _, segment = max(before, key=lambda message: message[0])
            answered[segment, row["channel"], row["kind"]].add(row["customer_id"])

    found = published(sample_shop, "select * from published.channel_responses")
    assert {(row["segment"], row["channel"]) for row in found} == contacted.keys()
    assert any(row["unsubscribe_rate"] > 0 for row in found)
    for row in found:
        place = row["segment"], row["channel"]
        people = len(set(contacted[place]))
        assert (row["contacts"], row["customers_contacted"]) == (len(contacted[place]), people)
        for kind, done in DONE.items():
            assert row[f"customers_{done}"] == len(answered[*place, kind])
            share = len(answered[*place, kind]) / people
            assert float(row[f"{kind}_rate"]) == pytest.approx(share, abs=5e-7)
