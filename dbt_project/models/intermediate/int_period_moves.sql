{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        pre_hook="{{ forget_days_in_scope() }}",
    )
}}
-- depends_on: {{ ref('int_refresh_scope') }}
with segment_flows as (
    select * from {{ ref('int_segment_flows') }}
),

customer_days as (
    select * from {{ ref('int_customer_days') }}
),

as_of_dates as (
    select max(as_of_date) as as_of_date
    from {{ ref('int_as_of_dates') }}
),

-- On a day a customer moves at most once, so that move is the net one and its money that of the end.
daily as (
    select
        'day' as period,
        date_day as period_start,
        date_day,
        from_segment_code,
        to_segment_code,
        cause_code,
        customers,
        monetary
    from segment_flows
    where
        from_segment_code is distinct from to_segment_code
        and {{ in_refresh_scope('date_day') }}
),

-- Day, segment and cause as one number, which sorts by the day: the first and the last move of a
-- customer are then a plain minimum and maximum. No segment is 0. The moves are read once per period:
-- to keep them in between is dearer.
net_moves as (
    {% for period in ['week', 'month'] %}
    select
        '{{ period }}' as period,
        {{ first_day_of(period, 'date_day') }} as period_start,
        customer_id,
        min(
            cast({{ days_between(far_past(), 'date_day') }} as bigint) * 1000000
            + coalesce(from_segment_code, 0) * 10 + cause_code
        ) as leaving,
        max(
            cast({{ days_between(far_past(), 'date_day') }} as bigint) * 1000000
            + coalesce(to_segment_code, 0) * 10 + cause_code
        ) as arriving
    from {{ ref('int_segment_moves') }}
    where {{ in_refresh_scope('date_day', period) }}
    group by {{ first_day_of(period, 'date_day') }}, customer_id
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

net_moves_dated as (
    select
        *,
        case
            when period = 'week' then {{ last_day_of('week', 'period_start') }}
            else {{ last_day_of('month', 'period_start') }}
        end as last_day
    from net_moves
),

decoded as (
    select
        net_moves_dated.period,
        net_moves_dated.period_start,
        net_moves_dated.last_day,
        net_moves_dated.customer_id,
        nullif(cast(floor(mod(net_moves_dated.leaving, 1000000) / 10) as smallint), 0) as from_segment_code,
        nullif(cast(floor(mod(net_moves_dated.arriving, 1000000) / 10) as smallint), 0) as to_segment_code,
        cast(mod(net_moves_dated.arriving, 10) as smallint) as cause_code,
        {{ add_days(far_past(), 'floor(net_moves_dated.arriving / 1000000)') }} as moved_on,
        least(net_moves_dated.last_day, as_of_dates.as_of_date) as period_end
    from net_moves_dated
    cross join as_of_dates
),

-- Money may have changed after the last move; an account that was taken over has the one it left with.
moved as (
    select
        *,
        case when to_segment_code is null then {{ add_days('moved_on', -1) }} else period_end end as money_day
    from decoded
    where from_segment_code is distinct from to_segment_code
),

at_the_end as (
    select
        moved.period,
        moved.period_start,
        moved.last_day as date_day,
        moved.from_segment_code,
        moved.to_segment_code,
        moved.cause_code,
        customer_days.monetary
    from moved
    left join customer_days
        on
            moved.customer_id = customer_days.customer_id
            and moved.money_day >= customer_days.valid_from
            and moved.money_day < customer_days.valid_to
),

counted as (
    select
        period,
        period_start,
        date_day,
        from_segment_code,
        to_segment_code,
        cause_code,
        count(*) as customers,
        sum(monetary) as monetary
    from at_the_end
    group by period, period_start, date_day, from_segment_code, to_segment_code, cause_code
),

moves as (
    select * from daily
    union all
    select * from counted
),

final as (
    select
        period,
        period_start,
        date_day,
        cast(from_segment_code as smallint) as from_segment_code,
        cast(to_segment_code as smallint) as to_segment_code,
        cause_code,
        cast(customers as bigint) as customers,
        cast(monetary as decimal(18, 4)) as monetary
    from moves
)

select * from final
