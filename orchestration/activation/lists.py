"""The two relations that a delivery is made from: who should be a member, and who must leave.

People leave the warehouse only here: page by page their addresses and numbers are written as the
destination wants them. Who may be a member was decided by the SQL models; what is sent of the
difference to the last delivery is the business of `orchestration.activation.planning`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from orchestration.activation.normalise import NORMALISERS, e164
from orchestration.measures.audience_tables import ANY, GRANT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from orchestration.measures.audience_tables import Audience, Destination
    from orchestration.warehouse import Session

DESIRED = "delivery_desired"
IDENTIFIERS = "delivery_identifiers"
PROTECTED = "delivery_protected"
ROWS_PER_PAGE = 5000
PLAIN = "none"
# One spelling for all that reach one mailbox: what is too wide here only leaves more people out.
_MAILBOX = r"""if(
                    regexp_matches(lower(email), '@(gmail|googlemail)\.com\s*$'),
                    replace(regexp_replace(lower(email), '(\+.*)?@.*', ''), '.', '') || '@gmail',
                    regexp_replace(regexp_replace(lower(email), '\s', '', 'g'), '\+[^@]*@', '@')
                )"""
DESIRED_COLUMNS = (
    *("audience", "destination", "customer_id", "member_key", "row_hash", "email", "phone"),
)
# What the reasons of the models mean for somebody who is a member elsewhere.
CAUSES = {"suppressed": "suppression", "no_consent": "consent", "under_age": "consent"}


def desired_members(session: Session, audience: Audience, destination: Destination) -> int:
    """Write who should be a member into the temporary table `delivery_desired`.

    A member of a list with plain keys goes by the customer id; one of a list with hashed keys by
    the hash of the address, or of the number where there is no address, and without the id.

    Returns:
        Members whose address and number the destination cannot use; they are left out.
    """
    columns = ", ".join(f"{name} varchar" for name in DESIRED_COLUMNS)
    session.run(f"create or replace temp table {DESIRED} ({columns})")
    session.run(f"create or replace temp table {IDENTIFIERS} (customer_id varchar, value varchar)")
    unusable = 0
    for page in _pages(session, audience.audience):
        rows = [_row(person, destination) for person in page]
        usable = [row for row in rows if row is not None]
        unusable += len(rows) - len(usable)
        if usable:
            place = (audience.audience, destination.destination)
            session.insert(DESIRED, DESIRED_COLUMNS, [(*place, *row) for row in usable])
        _note_identifiers(session, page)
    return unusable


def withhold_by_identifier(
    session: Session, audience: Audience, destination: Destination, as_of: date
) -> int:
    """Take out of the list whom an address or number gives away that only its full form shows.

    The models know addresses and numbers as they are written. Here a number is read as its
    country writes it, so that it is found on the suppression list however it was typed, and so
    that nobody goes by the hash of a number that somebody who objects has as well.

    Returns:
        How many members were taken out; they leave the destination as well.
    """
    session.run(
        f"""
        create or replace temp table delivery_withheld as
        select distinct identifiers.customer_id
        from {IDENTIFIERS} as identifiers
        inner join staging.stg_shop__suppressions as suppressions
            on identifiers.value = suppressions.value
        where
            suppressions.kind in ('email_sha256', 'phone_sha256')
            and (
                suppressions.purpose in ('all', ?)
                or suppressions.purpose not in (select purpose from rules.consent_requirements)
            )
            and (suppressions.added_on is null or suppressions.added_on <= ?)
        """,
        [audience.purpose, as_of],
    )
    if destination.normaliser != PLAIN:
        _withhold_numbers_of_objectors(session)
    session.run(
        f"insert into {PROTECTED} (customer_id, cause)"
        " select customer_id, 'suppression' from delivery_withheld"
    )
    count = session.fetch(
        f"select count(*) from {DESIRED}"
        " where customer_id in (select customer_id from delivery_withheld)"
    )[0][0]
    session.run(
        f"delete from {DESIRED} where customer_id in (select customer_id from delivery_withheld)"
    )
    return count


def _withhold_numbers_of_objectors(session: Session) -> None:
    """Add whoever shares a number with somebody in the table `delivery_protected`."""
    query = f"""
        select customer_id, phone, country
        from activation.people
        where phone is not null and customer_id > ? and customer_id in (
            select customer_id from {PROTECTED} where cause in ('suppression', 'consent')
        )
        order by customer_id
        limit {ROWS_PER_PAGE}
    """
    page = session.fetch(query, [""])
    while page:
        numbers = [e164(phone, country) for _, phone, country in page]
        session.run(
            f"insert into delivery_withheld select distinct customer_id from {IDENTIFIERS}"
            " where value in (select unnest(?::varchar[]))",
            [[_hash(number) for number in numbers if number]],
        )
        page = session.fetch(query, [page[-1][0]])


def _note_identifiers(session: Session, page: list[tuple[Any, ...]]) -> None:
    """Write every hash under which a person may be known into `delivery_identifiers`."""
    found = []
    for customer_id, email, phone, country in page:
        number = e164(phone, country) if phone else None
        texts = [number, number and number.removeprefix("+"), email and email.strip().lower()]
        found += [(customer_id, _hash(text)) for text in texts if text]
    if found:
        session.insert(IDENTIFIERS, ("customer_id", "value"), found)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def protected_removals(
    session: Session, audience: Audience, destination: Destination, as_of: date
) -> None:
    """Write who must leave, whatever the guards say, into the table `delivery_protected`.

    That is everybody with an objection of their own, described by the audience or not; every
    member whose yes ended or who is too young for ads; and everybody whom the warehouse does not
    know any more: merged into another account, or erased. Where people go by a hash of their
    address, nobody goes who shares it with somebody who objects: the destination cannot tell them
    apart.
    """
    causes = ", ".join(f"('{reason}', '{cause}')" for reason, cause in CAUSES.items())
    session.run(
        f"""
        create or replace temp table {PROTECTED} as
        with causes (reason, cause) as (values {causes}),
        -- Whom a destination may hold, also by a change that nobody heard of.
        held as (
            select customer_id from delivery.members where audience = $audience
            union
            select customer_id from delivery.attempts where audience = $audience
        ),
        decided as (
            select decisions.customer_id, causes.cause
            from activation.activation_decisions as decisions
            inner join causes on decisions.reason = causes.reason
            where decisions.audience = $audience and decisions.as_of_date = $as_of
        ),
        suppressed as (
            select customer_id, 'suppression' as cause
            from activation.activation_suppressed
            where suppressed_from <= $as_of and purpose in ('all', $purpose)
        ),
        said as (
            select *
            from activation.activation_consents
            where purpose = $purpose and channel = $channel and as_of_date = $as_of
        ),
        refused as (
            select customer_id, 'consent' as cause
            from said
            where is_refused
        ),
        young as (
            select customer_id, 'consent' as cause
            from activation.people
            where
                $channel = 'ads'
                and birth_date > $as_of - to_years(
                    (
                        select cast(value as integer)
                        from rules.activation_limits
                        where name = 'youngest_for_ads'
                    )
                )
        ),
        -- Whoever is no candidate any more is not asked by the models, and may still be held.
        ended as (
            select held.customer_id, 'consent' as cause
            from held
            inner join activation.people as people on held.customer_id = people.customer_id
            left join rules.consent_requirements as own_rules
                on
                    people.country = own_rules.region
                    and own_rules.purpose = $purpose
                    and own_rules.channel = $channel
            left join rules.consent_requirements as rules_everywhere
                on
                    rules_everywhere.region = '{ANY}'
                    and rules_everywhere.purpose = $purpose
                    and rules_everywhere.channel = $channel
            left join said on held.customer_id = said.customer_id
            where
                coalesce(own_rules.requires, rules_everywhere.requires, '{GRANT}') = '{GRANT}'
                and not coalesce(said.is_granted, false)
        ),
        merged as (
            select distinct customer_id, 'merge' as cause
            from intermediate.int_account_holders
            where customer_id <> holder_id
        ),
        gone as (
            select held.customer_id, 'erasure' as cause
            from held
            left join marts.customers as customers on held.customer_id = customers.customer_id
            left join merged on held.customer_id = merged.customer_id
            where customers.customer_id is null and merged.customer_id is null
        ),
        objections as (
            select * from suppressed
            union all
            select * from refused
            union all
            select * from young
        ),
        addresses as (
            select
                customer_id,
                phone_sha256,
                {_MAILBOX} as mailbox
            from activation.people
            where $is_hashed
        ),
        sharing as (
            select others.customer_id, objections.cause
            from objections
            inner join addresses as own on objections.customer_id = own.customer_id
            inner join addresses as others on own.mailbox = others.mailbox
            union
            select others.customer_id, objections.cause
            from objections
            inner join addresses as own on objections.customer_id = own.customer_id
            inner join addresses as others on own.phone_sha256 = others.phone_sha256
        ),
        removals as (
            select * from decided
            union all
            select * from objections
            union all
            select * from sharing
            union all
            select * from ended
            union all
            select * from merged
            union all
            select * from gone
        )
        select
            cast(null as varchar) as audience,
            cast(null as varchar) as destination,
            cast(null as varchar) as member_key,
            customer_id,
            cause
        from removals
        """,
        {
            "audience": audience.audience,
            "purpose": audience.purpose,
            "channel": audience.channel,
            "as_of": as_of,
            "is_hashed": destination.normaliser != PLAIN,
        },
    )


def _pages(session: Session, audience: str) -> Iterator[list[tuple[Any, ...]]]:
    query = f"""
        select people.customer_id, people.email, people.phone, people.country
        from activation.audience_memberships as memberships
        inner join activation.people as people on memberships.customer_id = people.customer_id
        where memberships.audience = ? and people.customer_id > ?
        order by people.customer_id
        limit {ROWS_PER_PAGE}
    """
    page = session.fetch(query, [audience, ""])
    while page:
        yield page
        page = session.fetch(query, [audience, page[-1][0]])


def _row(person: Sequence[Any], destination: Destination) -> tuple[Any, ...] | None:
    """Write a person as the destination wants: customer_id, member_key, row_hash, email, phone."""
    customer_id, email, phone, country = person
    normaliser = NORMALISERS[destination.normaliser]
    email, phone = (
        normaliser.key(kind, text, country) for kind, text in (("email", email), ("phone", phone))
    )
    if destination.normaliser == PLAIN:
        # Who agreed to mails did not agree to calls: nothing goes that the channel does not need.
        email = email if destination.channel == "email" else None
        phone = phone if destination.channel in {"sms", "phone"} else None
        key = customer_id if email or phone or destination.channel == "push" else None
    else:
        key = email or phone
    if key is None:
        return None
    told = "\x1f".join((key, email or "", phone or ""))
    return customer_id, key, _hash(told), email, phone
