{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        pre_hook="{{ forget_days_in_scope() }}",
    )
}}
-- depends_on: {{ ref('int_refresh_scope') }}
with segment_moves as (
    select * from {{ ref('int_segment_moves') }}
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
        monetary
    from segment_moves
    where {{ in_refresh_scope('date_day') }}
),

-- Day, segment and cause as one number, which sorts by the day: the first and the last move of a
-- customer are then a plain minimum and maximum. No segment is 0.
moves_coded as (
    select
        customer_id,
        date_day,
        cast({{ days_between(far_past(), 'date_day') }} as bigint) * 1000000
        + coalesce(from_segment_code, 0) * 10 + cause_code as leaving,
        cast({{ days_between(far_past(), 'date_day') }} as bigint) * 1000000
        + coalesce(to_segment_code, 0) * 10 + cause_code as arriving
    from segment_moves
),

moves_in_periods as (
    {% for period in ['week', 'month'] %}
    select
        '{{ period }}' as period,
        {{ first_day_of(period, 'date_day') }} as period_start,
        {{ last_day_of(period, 'date_day') }} as last_day,
        customer_id,
        leaving,
        arriving
    from moves_coded
    where {{ in_refresh_scope(last_day_of(period, 'date_day')) }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

net_moves as (
    select
        period,
        period_start,
        last_day,
        customer_id,
        min(leaving) as leaving,
        max(arriving) as arriving
    from moves_in_periods
    group by period, period_start, last_day, customer_id
),

decoded as (
    select
        net_moves.period,
        net_moves.period_start,
        net_moves.last_day,
        net_moves.customer_id,
        nullif(cast(floor(mod(net_moves.leaving, 1000000) / 10) as smallint), 0) as from_segment_code,
        nullif(cast(floor(mod(net_moves.arriving, 1000000) / 10) as smallint), 0) as to_segment_code,
        cast(mod(net_moves.arriving, 10) as smallint) as cause_code,
        {{ add_days(far_past(), 'floor(net_moves.arriving / 1000000)') }} as moved_on,
        least(net_moves.last_day, as_of_dates.as_of_date) as period_end
    from net_moves
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

moves as (
    select * from daily
    union all
    select * from at_the_end
),

final as (
    select
        period,
        period_start,
        date_day,
        cast(from_segment_code as smallint) as from_segment_code,
        cast(to_segment_code as smallint) as to_segment_code,
        cause_code,
        cast(count(*) as bigint) as customers,
        cast(sum(monetary) as decimal(18, 4)) as monetary
    from moves
    group by period, period_start, date_day, from_segment_code, to_segment_code, cause_code
)

select * from final
