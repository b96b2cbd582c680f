"""What the report asks of published tables: sums and small tables, never a single customer.

Tables that an older file does not have, or columns it lacks, read as empty. What is made of the
rows is the business of the figures and of `report.findings`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from orchestration.public_tables import contracts
from orchestration.publication_status import PUBLICATION_STATUS, SCHEMA
from orchestration.report.queries_audiences import Audiences, read_audiences
from orchestration.warehouse import open_database, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from pathlib import Path

    from orchestration.publication_status import PublicationStatus
    from orchestration.warehouse import Session

Row: TypeAlias = dict[str, Any]
TOTALS = ("as_of_date", "customers", "prospects", "monetary", "orders", "newest_order")
REVENUE = ("revenue", "orders", "revenue_before")
EVERYTHING = "select * from source order by everything"


@dataclass(frozen=True)
class Contents:
    """Everything that is on the page, as rows; the newest day unless said.

    Attributes:
        as_of: last day that the tables know; None if they know none.
        generation: of the tables; None if the file does not say.
        status: the row of publication_status, or empty.
        totals: customers, prospects, monetary, orders, newest_order.
        revenue: revenue and orders of 28 days, revenue_before of the 28 days before them (None if
            not all of them are known).
        intake: received, accepted, duplicate, excluded, rejected, held rows per source.
        sizes: customers, monetary, orders, average_days per segment.
        grid: customers, monetary, main_segment per r_score and f_score.
        stages: customers, monetary per lifecycle_stage.
        next_week: customers, monetary, first_day per segment and next_segment.
        shares: customers, customer_share per date_day and segment, weekly if there are many days.
        movement: months (or weeks, where there are few months) with their causes, oldest first.
        migrations: the pairs and causes of the newest period of movement that is complete.
        checks: results of the newest judged day.
        nights: results per status and judged day, the last 30.
        verdicts, profiles: newest day.
        performance: the last 13 months per segment, oldest first.
        definitions: of segments and stages.
        audiences: what is known of audiences and campaigns.
    """

    as_of: date | None
    generation: str | None
    status: Row
    totals: Row
    revenue: Row
    intake: list[Row] = field(default_factory=list)
    sizes: list[Row] = field(default_factory=list)
    grid: list[Row] = field(default_factory=list)
    stages: list[Row] = field(default_factory=list)
    next_week: list[Row] = field(default_factory=list)
    shares: list[Row] = field(default_factory=list)
    movement: list[Row] = field(default_factory=list)
    migrations: list[Row] = field(default_factory=list)
    checks: list[Row] = field(default_factory=list)
    nights: list[Row] = field(default_factory=list)
    verdicts: list[Row] = field(default_factory=list)
    profiles: list[Row] = field(default_factory=list)
    performance: list[Row] = field(default_factory=list)
    definitions: list[Row] = field(default_factory=list)
    audiences: Audiences = field(default_factory=Audiences)


def _nothing(table: str, column: str) -> str:
    """Say in SQL that a column is not there, in its type: engines sum up no null without one."""
    declared = contracts().get(table)
    kinds = {one.name: one.kind for one in declared.columns} if declared else {}
    return f"cast(null as {kinds[column]})" if kinds.get(column) else "null"


class Published:
    """The published tables of a schema, as far as it has them."""

    def __init__(self, session: Session, database: str, schema: str) -> None:
        self._session = session
        self._schema = schema
        self._columns = {
            name: {column for column, _, _ in session.columns(database, place, name)}
            for place, name in session.relations(database)
            if place == schema
        }

    def has(self, table: str) -> bool:
        """Tell whether a table is there."""
        return table in self._columns

    def rows(
        self,
        table: str,
        columns: str,
        query: str = EVERYTHING,
        parameters: Sequence[Any] = (),
    ) -> list[Row]:
        """Fetch the rows of a query over a table.

        Args:
            table: The table; if it is not there, there are no rows.
            columns: The columns that the query needs, with spaces between; missing ones are null.
            query: SQL over `source`, which is the table with these columns; `order by everything`
                at its end stands for all of them in their order.
            parameters: Values bound to the query.
        """
        there = self._columns.get(table)
        if there is None:
            return []
        chosen = ", ".join(
            quoted(name) if name in there else f"{_nothing(table, name)} as {quoted(name)}"
            for name in columns.split()
        )
        source = f"with source as (select {chosen} from {self._schema}.{quoted(table)})"
        if query.endswith(" everything"):
            places = ", ".join(str(place) for place, _ in enumerate(columns.split(), start=1))
            query = query.removesuffix("everything") + places
        return self._session.fetch_records(f"{source} {query}", parameters)

    def row(
        self, table: str, columns: str, query: str = EVERYTHING, parameters: Sequence[Any] = ()
    ) -> Row:
        """Fetch the first row; what there is not is None."""
        rows = self.rows(table, columns, query, parameters)
        return dict.fromkeys(columns.split()) | (rows[0] if rows else {})


def read_contents(database: Path) -> Contents:
    """Read what the page shows.

    Raises:
        WarehouseError: The file is missing, damaged, or in use by another process.
    """
    with open_database(database, read_only=True) as session:
        return contents_of(session, database.stem)


def contents_of(
    session: Session,
    database: str,
    schema: str = SCHEMA,
    told: PublicationStatus | None = None,
) -> Contents:
    """Read what the page shows of the tables of a schema.

    Args:
        session: Where they are.
        database: The name of the database in the session.
        schema: The schema.
        told: What readers are told, if it is not yet in the table.
    """
    published = Published(session, database, schema)
    totals = dict.fromkeys(TOTALS) | _totals(published)
    status = (
        asdict(told)
        if told is not None
        else published.row("publication_status", " ".join(PUBLICATION_STATUS.names))
    )
    manifest = published.row("manifest", "generation as_of_date")
    as_of = status.get("as_of_date") or manifest.get("as_of_date") or totals.get("as_of_date")
    return Contents(
        as_of=as_of,
        generation=status.get("generation") or manifest.get("generation"),
        status=status,
        totals=totals,
        revenue=dict.fromkeys(REVENUE) | _revenue(published, as_of),
        intake=_intake(published),
        **_customers(published, as_of),
        **_history(published),
        **_judgements(published),
        profiles=_profiles(published),
        performance=_performance(published),
        definitions=published.rows(
            "segment_definitions",
            "kind name rank label description definition purpose action channel objective"
            " objective_metric objective_target reviewed_on",
            "select * from source order by kind, rank desc, name",
        ),
        audiences=read_audiences(published, as_of),
    )


def _totals(published: Published) -> Row:
    return published.row(
        "customers",
        "as_of_date segment monetary orders last_order_date",
        """
        select
            max(as_of_date) as as_of_date,
            count(segment) as customers,
            count(*) - count(segment) as prospects,
            sum(monetary) filter (where segment is not null) as monetary,
            sum(orders) filter (where segment is not null) as orders,
            max(last_order_date) as newest_order
        from source
        """,
    )


def _revenue(published: Published, as_of: date | None) -> Row:
    return published.row(
        "segment_daily_metrics",
        "date_day revenue orders",
        """
        select
            sum(revenue) filter (where date_day > $1::date - 28) as revenue,
            sum(orders) filter (where date_day > $1::date - 28) as orders,
            case
                when count(distinct date_day) = 56
                    then sum(revenue) filter (where date_day <= $1::date - 28)
            end as revenue_before
        from source
        where date_day > $1::date - 56 and date_day <= $1::date
        """,
        [as_of],
    )


def _intake(published: Published) -> list[Row]:
    return published.rows(
        "order_intake",
        "source received_rows accepted_rows duplicate_rows excluded_rows rejected_rows held_rows",
        """
        select
            source,
            sum(received_rows) as received,
            sum(accepted_rows) as accepted,
            sum(duplicate_rows) as duplicate,
            sum(excluded_rows) as excluded,
            sum(rejected_rows) as rejected,
            sum(held_rows) as held
        from source group by source order by source
        """,
    )


def _customers(published: Published, as_of: date | None) -> dict[str, list[Row]]:
    """Add up the customers of the newest day in four ways."""
    sizes = published.rows(
        "customers",
        "segment monetary orders days_since_last_order",
        """
        select
            segment,
            count(*) as customers,
            sum(monetary) as monetary,
            sum(orders) as orders,
            avg(days_since_last_order) as average_days
        from source where segment is not null group by segment order by segment
        """,
    )
    grid = published.rows(
        "customers",
        "r_score f_score segment monetary",
        """
        , cells as (
            select r_score, f_score, segment, count(*) as customers, sum(monetary) as monetary
            from source where segment is not null group by r_score, f_score, segment
        )
        , ranked as (
            select
                *,
                row_number() over (
                    partition by r_score, f_score order by customers desc, segment
                ) as place
            from cells
        )
        select
            r_score,
            f_score,
            sum(customers) as customers,
            sum(monetary) as monetary,
            max(segment) filter (where place = 1) as main_segment
        from ranked group by r_score, f_score order by r_score, f_score
        """,
    )
    stages = published.rows(
        "customers",
        "lifecycle_stage monetary",
        """
        select lifecycle_stage, count(*) as customers, sum(monetary) as monetary
        from source where lifecycle_stage is not null
        group by lifecycle_stage order by lifecycle_stage
        """,
    )
    next_week = published.rows(
        "customers",
        "segment next_segment next_segment_on monetary",
        """
        select
            segment,
            next_segment,
            count(*) as customers,
            sum(monetary) as monetary,
            min(next_segment_on) as first_day
        from source
        where
            next_segment is not null
            and next_segment_on > $1::date
            and next_segment_on <= $1::date + 7
        group by segment, next_segment
        order by monetary desc, segment, next_segment
        """,
        [as_of],
    )
    return {"sizes": sizes, "grid": grid, "stages": stages, "next_week": next_week}


def _history(published: Published) -> dict[str, list[Row]]:
    """Read shares and movement over time."""
    shares = published.rows(
        "segment_daily_metrics",
        "date_day segment customers customer_share",
        """
        , span as (select min(date_day) as first_day, max(date_day) as last_day from source)
        select date_day, segment, customers, customer_share
        from source, span
        where
            date_day > last_day - 735
            and (
                date_diff('day', first_day, last_day) <= 120
                or date_diff('day', date_day, last_day) % 7 = 0
            )
        order by date_day, segment
        """,
    )
    movement = published.rows(
        "segment_movement",
        "period period_start period_end is_complete customers_at_start customers_moved share_moved"
        " moved_bought moved_aged moved_window_exit moved_recalibrated moved_rules_changed"
        " moved_corrected moved_merged customers_joined customers_left shorrocks_mobility",
        """
        , chosen as (
            select if(count(*) filter (where period = 'month') > 2, 'month', 'week') as chosen
            from source
        )
        , newest as (
            select source.* from source, chosen
            where period = chosen order by period_start desc limit 13
        )
        select * from newest order by period_start
        """,
    )
    complete = [row for row in movement if row["is_complete"]] or movement
    migrations = (
        published.rows(
            "segment_migrations",
            "period period_start from_segment to_segment cause customers monetary share_of_from",
            "select * from source where period = ? and period_start = ? order by everything",
            [complete[-1]["period"], complete[-1]["period_start"]],
        )
        if complete
        else []
    )
    return {"shares": shares, "movement": movement, "migrations": migrations}


def _judgements(published: Published) -> dict[str, list[Row]]:
    """Read what the checks found on the newest day, and how the nights before it went."""
    newest = "select * from source where as_of_date = (select max(as_of_date) from source)"
    checks = published.rows(
        "check_results",
        "as_of_date check_id check_name title subject value warn_threshold error_threshold status"
        " is_required blocks message remedy",
        f"{newest} order by check_id, subject",
    )
    nights = published.rows(
        "check_results",
        "as_of_date status",
        """
        , nights as (
            select distinct as_of_date from source order by as_of_date desc limit 30
        )
        select as_of_date, status, count(*) as results
        from source where as_of_date in (select as_of_date from nights)
        group by as_of_date, status order by as_of_date, status
        """,
    )
    verdicts = published.rows(
        "segment_verdicts",
        "as_of_date segment criterion value threshold verdict advice",
        f"{newest} order by segment, criterion",
    )
    return {"checks": checks, "nights": nights, "verdicts": verdicts}


def _profiles(published: Published) -> list[Row]:
    return published.rows(
        "segment_profiles",
        "date_day segment label description average_days_since_last_order average_orders"
        " average_monetary average_order_value customers customer_share revenue_28_days"
        " revenue_28_days_share revenue_growth needs channel order_channel order_channel_share"
        " content objections messaging purpose action objective objective_metric objective_target",
        "select * from source where date_day = (select max(date_day) from source) order by segment",
    )


def _performance(published: Published) -> list[Row]:
    return published.rows(
        "segment_performance",
        "period_start period_end segment rank customers_at_start buyers conversion_rate orders"
        " revenue average_order_value retention_rate repeat_rate top_20_share"
        " average_lifetime_revenue revenue_growth revenue_growth_year",
        """
        , months as (
            select distinct period_start from source order by period_start desc limit 13
        )
        select source.*, period_end = last_day(period_start) as is_complete
        from source where period_start in (select period_start from months)
        order by period_start, rank desc, segment
        """,
    )
