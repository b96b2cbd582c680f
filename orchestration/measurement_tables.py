"""The schema `measurement` of the warehouse: what campaigns added, and whom audiences pass over.

Only Python writes here; the tables are declared, made and written in this module. What the rows
say is decided by `orchestration.measures`, when they are written by `orchestration.measurement`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestration.table_contracts import Column, TableContract

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestration.warehouse import Session

SCHEMA = "measurement"
LACKS = (
    *("no_holdout", "mismatched_arms", "not_over", "too_few_customers", "too_few_successes"),
    *("too_few_failures", "too_few_payers"),
)
AS_OF = Column("as_of_date", "DATE", "The last day that is known.")
CAMPAIGN = Column("campaign_id", "VARCHAR", "The campaign.")
TREATED = Column("treated_customers", "BIGINT", "Customers who were to get the message.")
HELD_OUT = Column("held_out_customers", "BIGINT", "Customers who were held out.")


def _interval(name: str, what: str) -> tuple[Column, ...]:
    """Declare a number and the limits of its interval."""
    return (
        Column(name, "DOUBLE", f"{what}.", is_nullable=True),
        Column(f"{name}_low", "DOUBLE", "Lower limit of its interval.", is_nullable=True),
        Column(f"{name}_high", "DOUBLE", "Upper limit of its interval.", is_nullable=True),
    )


CAMPAIGN_LIFT = TableContract(
    (
        AS_OF,
        CAMPAIGN,
        Column("audience", "VARCHAR", "Whom it was for."),
        Column(
            "metric",
            "VARCHAR",
            "What the arms are compared by: share who opened or clicked, who ordered, money per"
            " customer, share who ordered in as many days afterwards.",
            accepted=("visit", "conversion", "revenue", "retention"),
        ),
        Column("segment", "VARCHAR", "Segment on the first day; all, or none without an order."),
        TREATED,
        HELD_OUT,
        Column("treated_value", "DOUBLE", "Share or money of the treated.", is_nullable=True),
        Column("held_out_value", "DOUBLE", "The same of those held out.", is_nullable=True),
        *_interval("difference", "The one less the other"),
        *_interval("ratio", "The one over the other; of money without an interval"),
        Column("relative_lift", "DOUBLE", "The ratio less 1.", is_nullable=True),
        Column("p_value", "DOUBLE", "How likely it is by chance alone.", is_nullable=True),
        Column(
            "p_adjusted",
            "DOUBLE",
            "The same, for all campaigns, or of segments for all their segments.",
            is_nullable=True,
        ),
        *_interval("incremental", "Customers or money that would not have come by themselves"),
        Column("cost", "DECIMAL(18,4)", "What it cost, beside all of its money.", is_nullable=True),
        Column(
            "roas",
            "DOUBLE",
            "Money of the treated over cost; most of it would have come anyway.",
            is_nullable=True,
        ),
        *_interval("iroas", "Money that would not have come by itself over cost"),
        Column(
            "lack",
            "VARCHAR",
            "Why nothing can be said.",
            is_nullable=True,
            accepted=LACKS,
        ),
        Column(
            "verdict",
            "VARCHAR",
            "What it brought.",
            accepted=("more", "less", "no_difference", "unknown"),
        ),
        Column("message", "VARCHAR", "The comparison in words."),
    ),
    key=("campaign_id", "metric", "segment"),
    description="What the treated did more than those held out, everybody counted who was assigned"
    " on the first day. One row per campaign, metric and segment.",
)
HOLDOUT_CHECKS = TableContract(
    (
        AS_OF,
        CAMPAIGN,
        Column("audience", "VARCHAR", "Whom it is for.", is_nullable=True),
        Column(
            "check_name",
            "VARCHAR",
            "Shares of the arms, what they are made of, which effect they can show, who got the"
            " message.",
            accepted=("sample_ratio", "balance", "power", "contacts"),
        ),
        Column(
            "subject", "VARCHAR", "The arms, an arm, a metric, or the stratum that differs most."
        ),
        TREATED,
        HELD_OUT,
        Column("expected", "DOUBLE", "Planned, or to be expected without it.", is_nullable=True),
        Column("found", "DOUBLE", "What there is; of power the probability.", is_nullable=True),
        Column(
            "effect",
            "DOUBLE",
            "Difference in standard deviations, or the smallest rise that is found.",
            is_nullable=True,
        ),
        Column("relative_effect", "DOUBLE", "That rise over what is expected.", is_nullable=True),
        Column("p_value", "DOUBLE", "How likely it is by chance alone.", is_nullable=True),
        Column("threshold", "DOUBLE", "What the verdict is held against.", is_nullable=True),
        Column(
            "verdict",
            "VARCHAR",
            "Whether it is so; unknown where too little is known.",
            accepted=("pass", "warn", "unknown"),
        ),
        Column("message", "VARCHAR", "The check in words."),
    ),
    key=("campaign_id", "check_name", "subject"),
    description="Whether the arms of a campaign may be compared, before it begins and after."
    " One row per campaign, check and subject.",
)
FAIRNESS_REPORT = TableContract(
    (
        AS_OF,
        Column(
            "measure",
            "VARCHAR",
            "How often a group is selected, or whether segments stand in for an attribute.",
            accepted=("selection", "proxy"),
        ),
        Column("subject", "VARCHAR", "The audience, or all segments."),
        Column("attribute", "VARCHAR", "What nobody shall be passed over for."),
        Column("group_name", "VARCHAR", "The group, or all."),
        Column("customers", "BIGINT", "People of the group; small groups are left out."),
        Column("selected", "BIGINT", "Of them, in the audience.", is_nullable=True),
        Column("rate", "DOUBLE", "As a share.", is_nullable=True),
        Column("ratio", "DOUBLE", "Over the highest rate of a group.", is_nullable=True),
        Column("p_value", "DOUBLE", "How likely it is by chance alone.", is_nullable=True),
        Column("association", "DOUBLE", "Cramer's V of segments and groups.", is_nullable=True),
        Column(
            "reduction",
            "DOUBLE",
            "Share of the errors in guessing the group that knowing the segment spares.",
            is_nullable=True,
        ),
        Column(
            "verdict",
            "VARCHAR",
            "What follows; hidden where few people would be told of.",
            accepted=("reference", "fair", "adverse", "proxy", "insufficient", "hidden"),
        ),
        Column("message", "VARCHAR", "The comparison in words."),
    ),
    key=("measure", "subject", "attribute", "group_name"),
    description="Whether audiences pass over groups of people, in counts large enough to be shown."
    " One row per measure, audience, attribute and group.",
)
TABLES = {
    "campaign_lift": CAMPAIGN_LIFT,
    "holdout_checks": HOLDOUT_CHECKS,
    "fairness_report": FAIRNESS_REPORT,
}


def write_rows(session: Session, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Make the tables anew; run it inside a transaction.

    Args:
        session: The warehouse, open for writing.
        rows: Of each table, a value per column of its contract.
    """
    session.run(f"create schema if not exists {SCHEMA}")
    for name, contract in TABLES.items():
        session.run(f"drop table if exists {SCHEMA}.{name}")
        session.make_table(f"{SCHEMA}.{name}", contract.described)
        values = [[row[column] for column in contract.names] for row in rows[name]]
        session.insert(f"{SCHEMA}.{name}", contract.names, values)
