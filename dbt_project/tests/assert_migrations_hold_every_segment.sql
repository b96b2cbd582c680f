-- A returned row is a segment and period whose rows of the matrix do not add up: from the segment to its
-- size on the eve, to the segment to its size and its money at the end.
{{ config(meta={
    'description': 'The rows and columns of every matrix of moves add up to the sizes of the segments, in customers and money.',
    'dagster': {'ref': {'name': 'segment_migrations'}},
}) }}

with migrations as (
    select * from {{ ref('segment_migrations') }}
),

movement as (
    select * from {{ ref('segment_movement') }}
),

daily_metrics as (
    select * from {{ ref('segment_daily_metrics') }}
),

left_behind as (
    select
        period,
        period_start,
        from_segment as segment,
        sum(customers) as customers
    from migrations
    where from_segment is not null
    group by period, period_start, from_segment
),

arrived as (
    select
        period,
        period_start,
        to_segment as segment,
        sum(customers) as customers,
        sum(monetary) as monetary
    from migrations
    where to_segment is not null
    group by period, period_start, to_segment
),

starts as (
    select
        movement.period,
        movement.period_start,
        daily_metrics.segment,
        daily_metrics.customers,
        coalesce(left_behind.customers, 0) as customers_counted
    from movement
    inner join daily_metrics on movement.period_start = {{ add_days('daily_metrics.date_day', 1) }}
    left join left_behind
        on
            movement.period = left_behind.period
            and movement.period_start = left_behind.period_start
            and daily_metrics.segment = left_behind.segment
),

ends as (
    select
        movement.period,
        movement.period_start,
        daily_metrics.segment,
        daily_metrics.customers,
        daily_metrics.monetary,
        coalesce(arrived.customers, 0) as customers_counted,
        coalesce(arrived.monetary, 0) as monetary_counted
    from movement
    inner join daily_metrics on movement.period_end = daily_metrics.date_day
    left join arrived
        on
            movement.period = arrived.period
            and movement.period_start = arrived.period_start
            and daily_metrics.segment = arrived.segment
),

final as (
    select
        period,
        period_start,
        segment
    from starts
    where customers <> customers_counted
    union all
    select
        period,
        period_start,
        segment
    from ends
    where
        customers <> customers_counted
        or monetary <> monetary_counted
)

select * from final
