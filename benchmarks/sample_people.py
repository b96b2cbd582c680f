"""Writes who the customers of the sample shop are: records, consents, messages and answers.

Everything is made up and seeded, and depends on the orders that `benchmarks.sample_shop` wrote.
Addresses lie in example.com and numbers in the ranges that are reserved for fiction, so that
nothing here can reach anybody.
"""

from __future__ import annotations

import csv
import hashlib
import random
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.measures.holdout import is_held_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SEEDS = Path(__file__).resolve().parent.parent / "seeds"
FOLDER = SEEDS / "sample"
LAST_DAY = date(2026, 6, 30)
FIRST_NAMES = ("Ada", "Ben", "Cem", "Dana", "Eli", "Fay", "Gus", "Hana", "Ivo", "Jun", "Kim", "Lea")
COUNTRIES = (("US", "+1 202 555 01{:02d}"), ("GB", "+44 7700 9000{:02d}"))
# campaign: (audience, first day, days, cost)
CAMPAIGNS = {
    "SPRING-LAUNCH": ("vip_early_access", date(2026, 4, 7), 14, "180.00"),
    "WINBACK-MAY": ("win_back", date(2026, 5, 5), 30, "240.00"),
    "LAST-CALL": ("reactivation", date(2026, 4, 14), 60, "60.00"),
    "SUMMER-NEWS": ("cross_sell", date(2026, 6, 2), 28, "120.00"),
}
# What is written for a few is opened more often than what everybody gets.
OPENED = {"SPRING-LAUNCH": 0.42, "WINBACK-MAY": 0.25, "LAST-CALL": 0.12, "SUMMER-NEWS": 0.18}
SENDS = {"SPRING-LAUNCH": 2, "WINBACK-MAY": 2, "LAST-CALL": 1, "SUMMER-NEWS": 4}


def last_orders() -> dict[str, date]:
    """The day of the last readable order of each customer."""
    found: dict[str, date] = {}
    with (FOLDER / "raw_orders.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            try:
                day = date.fromisoformat(row["ordered_at"][:10])
            except ValueError:
                continue
            if row["customer_id"] and day <= LAST_DAY:
                found[row["customer_id"]] = max(day, found.get(row["customer_id"], day))
    return dict(sorted(found.items()))


def held_out(customers: Iterable[str]) -> dict[str, set[str]]:
    """Whom each campaign is kept from, by the holdouts of its audience and of all messages."""
    with (SEEDS / "rules" / "holdouts.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        campaign: {
            customer
            for row in rows
            if row["audience"] in {"*", audience}
            for customer in customers
            if is_held_out(row["salt"], customer, float(row["share"]))
        }
        for campaign, (audience, *_) in CAMPAIGNS.items()
    }


def records(draw: random.Random, customers: Iterable[str]) -> list[list[str]]:
    """Customer records; a few lack an address, some an age, one was born tomorrow."""
    rows = []
    genders = random.Random(20240104)
    for place, customer in enumerate(customers):
        country, pattern = COUNTRIES[draw.random() < 0.2]
        email = f"{customer.lower()}@example.com" if draw.random() < 0.96 else ""
        phone = pattern.format(draw.randrange(100)) if draw.random() < 0.5 else ""
        born = date(1945, 1, 1) + timedelta(days=draw.randrange(23000))
        birth_date = born.isoformat() if draw.random() < 0.7 else ""
        if place == 41:
            birth_date = "2099-01-01"
        if place in (12, 303):
            birth_date = "2012-03-04"
        gender = genders.choices(("female", "male", "other", ""), (44, 40, 1, 15))[0]
        rows.append([customer, email, phone, country, draw.choice(FIRST_NAMES), birth_date, gender])
    return rows


def statements(draw: random.Random, customers: Iterable[str]) -> list[list[str]]:
    """Consents as they were given, refused, taken back and run out; some said nothing."""
    rows = []
    for customer in customers:
        day = date(2024, 1, 2) + timedelta(days=draw.randrange(700))
        said = draw.random()
        if said < 0.82:
            rows.append([customer, "marketing", "email", "GRANT", day.isoformat(), ""])
        elif said < 0.9:
            rows.append([customer, "marketing", "email", "DENY", day.isoformat(), ""])
        if said < 0.05:
            later = day + timedelta(days=draw.randrange(30, 200))
            rows.append([customer, "marketing", "email", "REVOKED", later.isoformat(), ""])
        if draw.random() < 0.6:
            ends = day + timedelta(days=730) if draw.random() < 0.5 else None
            rows.append(
                [customer, "ads", "ads", "GRANT", day.isoformat(), ends.isoformat() if ends else ""]
            )
    return rows


def messages(
    draw: random.Random, customers: dict[str, date]
) -> tuple[list[list[str]], list[list[str]]]:
    """What was sent, and what came back."""
    sent, answers = [], []
    for campaign, (audience, first, days, _) in CAMPAIGNS.items():
        for customer, last in customers.items():
            silent = (first - last).days
            is_meant = silent > 120 if audience == "reactivation" else 0 <= silent <= 120
            if audience in {"vip_early_access", "cross_sell"}:
                is_meant = silent <= 60
            if not is_meant or draw.random() < 0.35:
                continue
            for number in range(SENDS[campaign]):
                day = first + timedelta(days=number * days // SENDS[campaign])
                sent.append([customer, "email", campaign, day.isoformat()])
            luck = draw.random()
            day = first + timedelta(days=draw.randrange(3))
            for kind, part in (("open", 1), ("click", 0.2)):
                if luck < part * OPENED[campaign]:
                    answers.append([customer, campaign, "email", kind, day.isoformat()])
            if luck > 0.99:
                answers.append([customer, campaign, "email", "unsubscribe", day.isoformat()])
    # A launch week that was too much: some of the newest customers got five mails in a week.
    eager = sorted(customers, key=lambda name: (customers[name], name), reverse=True)[:15]
    sent += [
        [customer, "email", "SUMMER-NEWS", (LAST_DAY - timedelta(days=back)).isoformat()]
        for customer in eager
        for back in range(1, 6)
    ]
    kept_from = held_out(customers)
    sent = [row for row in sent if row[0] not in kept_from[row[2]]]
    answers = [row for row in answers if row[0] not in kept_from[row[1]]]
    return sorted(sent, key=lambda row: (row[3], row[2], row[0])), sorted(
        answers, key=lambda row: (row[4], row[1], row[0], row[3])
    )


def suppressed(draw: random.Random, people: Sequence[Sequence[str]]) -> list[list[str]]:
    """Who objected: by id, or by a hash alone because nothing else was kept."""
    rows = []
    for place, person in enumerate(draw.sample([one for one in people if one[1]], 8)):
        purpose, reason = ("all", "objection") if place % 2 else ("marketing", "complaint")
        value = hashlib.sha256(person[1].encode()).hexdigest() if place < 5 else person[0]
        kind = "email_sha256" if place < 5 else "customer_id"
        rows.append([kind, value, purpose, reason, "2026-03-15"])
    return rows


def write(name: str, header: str, rows: Iterable[Sequence[str]]) -> None:
    with (FOLDER / f"raw_{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split())
        writer.writerows(rows)


def main() -> None:
    """Write the files."""
    draw = random.Random(20240103)
    customers = last_orders()
    people = records(draw, customers)
    sent, answers = messages(draw, customers)
    write("customers", "customer_id email phone country first_name birth_date gender", people)
    write(
        "consents",
        "customer_id purpose channel status given_at expires_at",
        statements(draw, customers),
    )
    write("suppressions", "type value purpose reason added_at", suppressed(draw, people))
    write(
        "campaigns",
        "campaign_id audience name started_on ended_on cost",
        [
            [
                name,
                audience,
                name.replace("-", " ").capitalize(),
                first.isoformat(),
                (first + timedelta(days=days - 1)).isoformat(),
                cost,
            ]
            for name, (audience, first, days, cost) in CAMPAIGNS.items()
        ],
    )
    write("contacts", "customer_id channel campaign_id contacted_at", sent)
    write("responses", "customer_id campaign_id channel kind responded_at", answers)
    print({"contacts": len(sent), "responses": Counter(row[3] for row in answers)})


if __name__ == "__main__":
    main()
