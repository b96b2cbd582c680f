"""What speaks against a list besides its size: asked once more, in another way.

The models decided who is a member. Before anything leaves, the questions that must never be
answered wrongly are put again, to the single statements and the suppression list, about the very
rows that would be sent. What follows is decided by `orchestration.measures.delivery_guards`.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Any

from orchestration.activation.ledger import rules_let_go
from orchestration.activation.lists import DESIRED
from orchestration.activation.normalise import NORMALISERS
from orchestration.check_tables import SCHEMA as CHECKS
from orchestration.measures.audience_tables import ANY, NO_OBJECTION
from orchestration.measures.delivery_guards import Evidence
from orchestration.provenance import hash_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestration.activation.destinations import Delivery
    from orchestration.measures.audience_tables import Audience, AudienceBook, Destination
    from orchestration.warehouse import Session

# What decides who is in a list, of all that is written about an audience and about the labels.
CONDITIONS = (
    "preset",
    "purpose",
    "kind",
    "within_days",
    "segments",
    "stages",
    "min_orders",
    "max_orders",
    "min_monetary",
    "min_silence_days",
    "max_silence_days",
    "archive_after_days",
    "channel",
)
LABEL_RULES = ("segment_rules", "lifecycle_stages", "fixed_score_cuts")
LABEL_SETTINGS = (
    "business_timezone",
    "segment_preset",
    "score_method",
    "calibrate",
    "min_calibration_customers",
    "min_calibration_days",
    "count_zero_value_orders",
    "tie_rule",
    "cut_side",
    "rfm_window_days",
    "monetary_measure",
    "monetary_aggregate",
)
# The day of a no without a day, as the models write it.
FAR_PAST = date(1900, 1, 1)
FORMS = {"hex": "^[0-9a-f]{64}$", "base64": "^[A-Za-z0-9+/]{43}=$"}


def find_evidence(
    session: Session,
    delivery: Delivery,
    audience: Audience,
    destination: Destination,
    *,
    book: AudienceBook,
    rules_hash: str,
) -> Evidence:
    """Look at the rows of the table `delivery_desired` and at the rules behind them.

    Args:
        session: The warehouse, with the list in its temporary table.
        delivery: What would be delivered where.
        audience: The rules of the list.
        destination: Where it goes.
        book: All rules of activation.
        rules_hash: What `rules_of` says now.
    """
    known = rules_let_go(session, delivery)
    return Evidence(
        without_consent=_without_consent(session, delivery, audience, book),
        suppressed=_suppressed(session, delivery, audience),
        malformed=_malformed(session, destination),
        over_cap=_over_cap(session, delivery, audience),
        was_let_go=known is not None,
        has_new_rules=known is not None and known != rules_hash,
        held_segments=_held_segments(session, delivery, audience),
    )


def rules_of(
    session: Session,
    settings: Mapping[str, Any],
    book: AudienceBook,
    audience: Audience,
    destination: Destination,
) -> str:
    """Hash everything that decides who is in a list, apart from what customers do and say.

    Args:
        session: The warehouse.
        settings: The variables that the models were built with, see `dbt_vars`.
        book: All rules of activation.
        audience: The rules of the list.
        destination: Where it goes, which decides what people are called there.
    """
    labels = session.fetch(
        "select definition, content_hash from intermediate.int_definitions"
        f" where definition in ({', '.join('?' for _ in LABEL_RULES)}) order by definition",
        list(LABEL_RULES),
    )
    row = asdict(audience)
    return hash_of(
        [
            [str(row[name]) for name in CONDITIONS],
            sorted(
                [one.region, one.requires]
                for one in book.consent_requirements
                if (one.purpose, one.channel) == (audience.purpose, audience.channel)
            ),
            sorted(
                [one.channel, one.days, one.max_contacts]
                for one in book.contact_caps
                if one.channel in (ANY, audience.channel)
            ),
            sorted(
                [one.audience, one.salt, one.share]
                for one in book.holdouts
                if one.audience in (ANY, audience.audience)
            ),
            labels,
            [[name, settings[name]] for name in LABEL_SETTINGS],
            [destination.normaliser, destination.channel],
            _youngest_for_ads(session) if audience.channel == "ads" else None,
        ]
    )


def _without_consent(
    session: Session, delivery: Delivery, audience: Audience, book: AudienceBook
) -> int:
    """Count members whose newest word is no yes, or a no where a yes is not needed.

    Who is too young for ads cannot agree to them and counts as well.

    The newest yes that holds has to be newer than every word that forbids; a no without a day
    forbids for ever.
    """
    own = [
        one
        for one in book.consent_requirements
        if (one.purpose, one.channel) == (audience.purpose, audience.channel)
    ]
    lenient = [one.region for one in own if one.requires == NO_OBJECTION]
    regions = [one.region for one in own]
    day = delivery.as_of_date
    youngest = _youngest_for_ads(session)
    return session.fetch(
        f"""
        with words as (
            select
                customer_id,
                max(given_on) filter (
                    where status = 'GRANT' and (expires_on is null or expires_on > $day)
                ) as yes_on,
                max(given_on) filter (
                    where status <> 'GRANT' or expires_on <= $day
                ) as other_on,
                max(given_on) filter (where status <> 'GRANT') as no_on,
                max(given_on) filter (where status = 'GRANT') as any_yes_on,
                count(*) filter (
                    where status <> 'GRANT' and given_on = $far_past
                ) as lasting_noes
            from activation.activation_statements
            where purpose = $purpose and channel = $channel and given_on <= $day
            group by customer_id
        )
        select count(*)
        from {DESIRED} as desired
        left join activation.people as people on desired.customer_id = people.customer_id
        left join words on desired.customer_id = words.customer_id
        where ($channel = 'ads' and people.birth_date > $day - to_years($youngest))
        or not coalesce(
            if(
                coalesce(
                    people.country in (select unnest($lenient::varchar[])),
                    false
                ) or (
                    '{ANY}' in (select unnest($lenient::varchar[]))
                    and not coalesce(people.country in (select unnest($regions::varchar[])), false)
                ),
                coalesce(words.lasting_noes, 0) = 0
                and (words.no_on is null or words.any_yes_on > words.no_on),
                words.lasting_noes = 0
                and words.yes_on is not null
                and (words.other_on is null or words.yes_on > words.other_on)
            ),
            false
        )
        """,
        {
            "day": day,
            "far_past": FAR_PAST,
            "purpose": audience.purpose,
            "channel": audience.channel,
            "youngest": youngest,
            "lenient": lenient,
            "regions": regions,
        },
    )[0][0]


def _suppressed(session: Session, delivery: Delivery, audience: Audience) -> int:
    """Count members of whom any identifier, plain or hashed, is on the suppression list."""
    return session.fetch(
        f"""
        with suppressed as (
            select value
            from staging.stg_shop__suppressions
            where (
                purpose in ('all', $purpose)
                or purpose not in (select purpose from rules.consent_requirements)
            ) and (added_on is null or added_on <= $day)
        ),
        identifiers as (
            select
                desired.customer_id,
                unnest([
                    desired.customer_id, desired.member_key, desired.email, desired.phone,
                    people.email_sha256, people.phone_sha256,
                    sha256(lower(trim(desired.email))), sha256(desired.phone)
                ]) as value
            from {DESIRED} as desired
            left join activation.people as people on desired.customer_id = people.customer_id
            union all
            -- What an account was known by that went into this one.
            select holders.holder_id, sha256(lower(known.email))
            from staging.stg_shop__customers as known
            inner join intermediate.int_account_holders as holders
                on known.customer_id = holders.customer_id
            inner join {DESIRED} as desired on holders.holder_id = desired.customer_id
        )
        select count(distinct identifiers.customer_id)
        from identifiers
        inner join suppressed on identifiers.value = suppressed.value
        """,
        {"day": delivery.as_of_date, "purpose": audience.purpose},
    )[0][0]


def _youngest_for_ads(session: Session) -> int:
    return session.fetch(
        "select cast(value as integer) from rules.activation_limits where name = 'youngest_for_ads'"
    )[0][0]


def _malformed(session: Session, destination: Destination) -> int:
    """Count rows without key, customers that stand there twice, and values of a wrong form."""
    normaliser = NORMALISERS[destination.normaliser]
    form = FORMS.get(normaliser.encoding, "")
    return session.fetch(
        f"""
        select count(*)
        from (
            select *, count(*) over (partition by customer_id) as rows_of_customer
            from {DESIRED}
        ) as desired
        where coalesce(member_key, '') = ''
            or coalesce(row_hash, '') = ''
            or rows_of_customer > 1
            or ($form <> '' and (
                not regexp_full_match(member_key, $form)
                or not regexp_full_match(coalesce(email, member_key), $form)
                or not regexp_full_match(coalesce(phone, member_key), $form)
            ))
        """,
        {"form": form},
    )[0][0]


def _over_cap(session: Session, delivery: Delivery, audience: Audience) -> int:
    """Count candidates who got more messages than any cap for the channel allows."""
    return session.fetch(
        """
        select count(distinct pressure.customer_id)
        from activation.contact_pressure as pressure
        inner join activation.activation_decisions as decisions
            on pressure.customer_id = decisions.customer_id
            and pressure.as_of_date = decisions.as_of_date
        where decisions.audience = ? and pressure.as_of_date = ?
            and pressure.channel in (?, ?) and pressure.contacts > pressure.max_contacts
        """,
        [audience.audience, delivery.as_of_date, ANY, audience.channel],
    )[0][0]


def _held_segments(session: Session, delivery: Delivery, audience: Audience) -> int:
    """Count segments of the audience with an error that holds it and that nobody accepted."""
    if not audience.named_segments:
        return 0
    return session.fetch(
        f"""
        select count(distinct results.subject)
        from {CHECKS}.check_results as results
        left join {CHECKS}.approvals as approvals
            on results.as_of_date = approvals.as_of_date
            and results.check_id = approvals.check_id
        where results.as_of_date = $day
            and results.blocks = 'audience'
            and results.status = 'error'
            and results.subject in (select unnest($segments::varchar[]))
            and approvals.check_id is null
        """,
        {"day": delivery.as_of_date, "segments": list(audience.named_segments)},
    )[0][0]
