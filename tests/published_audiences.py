"""The made-up tables of activation: audiences, campaigns and groups, all invented.

An audience that is served, one below its floor that most did not agree to, and one that nobody is
in; a campaign that worked, one whose arms are not as planned, one to come and one for nobody.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import date

REACH = (
    *("candidates", "suppressed", "archived", "under_age", "no_consent", "no_key", "over_cap"),
    *("held_out", "contactable"),
)
AUDIENCES = {
    "onboarding": ("Onboarding", "email", 1, (0, 0, 0, 0, 0, 0, 0, 0, 0)),
    "win_back": ("Win-back", "email", 1, (200, 4, 6, 0, 60, 10, 5, 15, 100)),
    "lookalike_seed": ("Lookalike seed", "ads", 100, (150, 2, 3, 5, 90, 10, 0, 0, 40)),
}
TABLES = {
    "audiences": "audience varchar, name varchar, description varchar, action varchar,"
    " channel varchar, destination varchar, priority integer, objective varchar,"
    " objective_target varchar, owner varchar",
    "audience_reach": "audience varchar, "
    + "".join(f"{name} integer, " for name in REACH)
    + "with_key integer, minimum_size integer, is_served boolean",
    "audience_changes": "audience varchar, customer_id varchar, change varchar, reason varchar",
    "audience_overlap": "audience varchar, other_audience varchar, customers integer,"
    " share_of_smaller double",
    "contact_pressure": "customer_id varchar, as_of_date date, channel varchar, days integer,"
    " contacts integer, max_contacts integer, is_at_cap boolean",
    "campaign_lift": "campaign_id varchar, audience varchar, metric varchar, segment varchar,"
    " treated_customers bigint, held_out_customers bigint, treated_value double,"
    " held_out_value double, difference double, difference_low double, difference_high double,"
    " cost decimal(18,4), roas double, iroas double, iroas_low double, iroas_high double,"
    " lack varchar, verdict varchar, message varchar",
    "holdout_checks": "campaign_id varchar, audience varchar, check_name varchar, subject varchar,"
    " treated_customers bigint, held_out_customers bigint, expected double, found double,"
    " effect double, relative_effect double, threshold double, verdict varchar, message varchar",
    "fairness_report": "measure varchar, subject varchar, attribute varchar, group_name varchar,"
    " customers bigint, selected bigint, rate double, ratio double, p_value double,"
    " association double, reduction double, verdict varchar, message varchar",
}


def rows(as_of: date, hostile: str) -> dict[str, list[Any]]:
    """Make the rows of all these tables.

    Args:
        as_of: The day that they show.
        hostile: Put into every text that a person or a feed may write.
    """
    return {
        "audiences": [
            (
                *(audience, name + hostile, f"Whom it is for{hostile}", "Write to them", channel),
                *(f"{channel}_list{hostile}", place, f"Raise something{hostile}", "+2 points"),
                "crm@example.com",
            )
            for place, (audience, (name, channel, _, _)) in enumerate(AUDIENCES.items())
        ],
        "audience_reach": [
            (audience, *counts, counts[0] - counts[5], least, counts[-1] >= least)
            for audience, (_, _, least, counts) in AUDIENCES.items()
        ],
        "audience_changes": [
            (audience, f"person-{change}-{place}", change, reason)
            for audience, change, reason, many in (
                ("win_back", "added", "joined", 7),
                ("win_back", "removed", "left", 3),
                ("win_back", "kept_out", "no_consent", 60),
                ("lookalike_seed", "removed", "suppressed", 2),
            )
            for place in range(many)
        ],
        "audience_overlap": [
            ("lookalike_seed", "win_back", 22, 0.55),
            ("onboarding", "win_back", 31, 0.31),
        ],
        "contact_pressure": [
            (f"person-{place}", as_of - timedelta(days=back), channel, days, 2, limit, place < full)
            for back in (0, 1)
            for channel, days, limit, many, full in (("email", 7, 4, 40, 9), ("*", 30, 16, 80, 0))
            for place in range(many - back)
        ],
        "campaign_lift": _lifts(hostile),
        "holdout_checks": _holdouts(hostile),
        "fairness_report": _fairness(hostile),
    }


def _lifts(hostile: str) -> list[Any]:
    unpaid = (None, None, None, None, None)
    found: list[Any] = []
    for segment in ("all", "champions"):
        paid = (Decimal(100), 3.5, 1.25, -0.5, 3.0) if segment == "all" else unpaid
        spring = (f"SPRING{hostile}", "win_back")
        found += [
            (*spring, metric, segment, 900, 100, *values, *costs, lack, verdict, "In words.")
            for metric, values, costs, lack, verdict in (
                ("visit", (0.20, 0.19, 0.01, -0.07, 0.08), unpaid, None, "no_difference"),
                ("conversion", (0.18, 0.08, 0.10, 0.036, 0.148), unpaid, None, "more"),
                ("revenue", (9.5, 9.0, 0.5, -2.0, 3.0), paid, "too_few_payers", "unknown"),
                ("retention", (0.05, 0.04, 0.01, -0.04, 0.04), unpaid, "not_over", "unknown"),
            )
        ]
    found += [
        (
            *("AUTUMN", "win_back", metric, "all", 900, 300, 0.1, 0.3, -0.2, -0.26, -0.14),
            *(*unpaid, "mismatched_arms", "unknown", "In words."),
        )
        for metric in ("conversion", "visit")
    ]
    return found


def _holdouts(hostile: str) -> list[Any]:
    def ratio(campaign: str, arms: tuple[int, int], found: float, verdict: str) -> Any:
        return (
            *(campaign, "win_back", "sample_ratio", "arms", *arms, 0.1, found, None, None, 0.001),
            *(verdict, "Shares in words."),
        )

    power = (0.08, 0.3, 0.091, 1.14, 0.8, "warn", "Power in words.")
    money = (9.0, 0.2, None, None, 0.8, "warn", "Power of money in words.")
    spring = f"SPRING{hostile}"
    return [
        ratio(spring, (900, 100), 0.1, "pass"),
        (spring, "win_back", "power", "conversion", 900, 100, *power),
        (spring, "win_back", "power", "revenue", 900, 100, *money),
        (
            *(spring, "win_back", "contacts", "held_out", 900, 100, 0.0, 0.05, None, None, None),
            *("warn", f"5 of 100 held out got the message{hostile}."),
        ),
        ratio("AUTUMN", (900, 300), 0.25, "warn"),
        ratio("NEXT", (90, 10), 0.1, "pass"),
        ("NEXT", "win_back", "power", "conversion", 90, 10, *power),
        (
            *("LOOSE", None, "sample_ratio", "arms", 0, 0, None, None, None, None, None),
            *("unknown", "The campaign names no audience, so nobody knows whom it was for."),
        ),
    ]


def _fairness(hostile: str) -> list[Any]:
    found: list[Any] = [
        ("selection", subject, "age", group + hostile, many, *numbers, verdict, "In words.")
        for subject, group, many, numbers, verdict in (
            ("win_back", "18-24", 80, (8, 0.1, 0.5, 0.01, None, None), "adverse"),
            ("win_back", "25-34", 90, (18, 0.2, 1.0, None, None, None), "reference"),
            ("win_back", "35-44", 90, (16, 0.18, 0.89, 0.4, None, None), "fair"),
            ("win_back", "65+", 60, (None,) * 6, "hidden"),
            ("lookalike_seed", "18-24", 80, (None,) * 6, "hidden"),
            ("lookalike_seed", "25-34", 90, (None,) * 6, "hidden"),
        )
    ]
    proxies = (("age", 0.42, "proxy"), ("gender", 0.08, "fair"))
    found += [
        (
            *("proxy", "all segments", attribute, "all", 400, None, None, None, 0.001),
            *(association, 0.1, verdict, f"In words{hostile}."),
        )
        for attribute, association, verdict in proxies
    ]
    return found
