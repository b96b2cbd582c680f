"""What the report asks of the tables of activation: counts per audience, campaign and group.

Two of these tables have a row per customer; they are counted in the database and their rows never
come here. What is said about them is decided in `report.findings_audiences` and
`report.findings_campaigns`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from datetime import date

    from orchestration.report.queries import Published

Row: TypeAlias = dict[str, Any]
CATALOGUE = (
    "audience name description action channel destination priority objective objective_target owner"
)
REACH = (
    "audience candidates suppressed archived under_age no_consent no_key over_cap held_out"
    " contactable with_key minimum_size is_served"
)
LIFT = (
    "campaign_id audience metric segment treated_customers held_out_customers treated_value"
    " held_out_value difference difference_low difference_high cost roas iroas iroas_low"
    " iroas_high lack verdict message"
)
HOLDOUT = (
    "campaign_id audience check_name subject treated_customers held_out_customers expected found"
    " effect relative_effect threshold verdict message"
)
FAIRNESS = (
    "measure subject attribute group_name customers selected rate ratio p_value association"
    " reduction verdict message"
)


@dataclass(frozen=True)
class Audiences:
    """What is known of audiences on the day of the tables, as rows.

    Attributes:
        in_force: an audience each, the first priority first: what it is, its reach, and how many
            joined and are gone since the day before; None where that is not published.
        pressure: customers, at_cap, max_contacts per channel and days.
        overlaps: customers, share_of_smaller per pair of audiences, the largest first.
        lifts: campaign and metric over all segments.
        holdouts: checks of campaigns.
        fairness: groups of each audience, and attributes over all segments.
    """

    in_force: list[Row] = field(default_factory=list)
    pressure: list[Row] = field(default_factory=list)
    overlaps: list[Row] = field(default_factory=list)
    lifts: list[Row] = field(default_factory=list)
    holdouts: list[Row] = field(default_factory=list)
    fairness: list[Row] = field(default_factory=list)


def read_audiences(published: Published, as_of: date | None) -> Audiences:
    """Read what the page says about audiences.

    Args:
        published: The tables; those that are not there read as empty.
        as_of: The day that they show.
    """
    return Audiences(
        in_force=_in_force(published),
        pressure=_pressure(published, as_of),
        overlaps=published.rows(
            "audience_overlap",
            "audience other_audience customers share_of_smaller",
            "select * from source order by customers desc, audience, other_audience",
        ),
        lifts=published.rows(
            "campaign_lift",
            LIFT,
            "select * from source where segment = 'all' order by campaign_id, metric",
        ),
        holdouts=published.rows(
            "holdout_checks",
            HOLDOUT,
            "select * from source order by campaign_id, check_name, subject",
        ),
        fairness=published.rows(
            "fairness_report",
            FAIRNESS,
            "select * from source order by measure, subject, attribute, group_name",
        ),
    )


def _in_force(published: Published) -> list[Row]:
    """Put what an audience is beside how many it reaches and who came and went."""
    catalogue = published.rows(
        "audiences", CATALOGUE, "select * from source order by priority, audience"
    )
    reach = {row["audience"]: row for row in published.rows("audience_reach", REACH)}
    changes = published.rows(
        "audience_changes",
        "audience change",
        """
        select
            audience,
            count(*) filter (where change = 'added') as joined,
            count(*) filter (where change = 'removed') as gone
        from source group by audience
        """,
    )
    moved = {row["audience"]: row for row in changes}
    unknown = dict.fromkeys(REACH.split())
    # An audience without a change has no row there; a file without the table tells nothing.
    unmoved = dict.fromkeys(("joined", "gone"), 0 if published.has("audience_changes") else None)
    return [
        unknown | unmoved | reach.get(row["audience"], {}) | moved.get(row["audience"], {}) | row
        for row in catalogue
    ]


def _pressure(published: Published, as_of: date | None) -> list[Row]:
    return published.rows(
        "contact_pressure",
        "as_of_date channel days max_contacts is_at_cap",
        """
        select
            channel,
            days,
            max_contacts,
            count(*) as customers,
            count(*) filter (where is_at_cap) as at_cap
        from source where as_of_date = $1::date
        group by channel, days, max_contacts order by channel, days
        """,
        [as_of],
    )
