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

moves_in_periods as (
    {% for period in ['week', 'month'] %}
    select
        '{{ period }}' as period,
        {{ first_day_of(period, 'date_day') }} as period_start,
        {{ last_day_of(period, 'date_day') }} as last_day,
        customer_id,
        date_day,
        coalesce(from_segment_code, 0) as from_segment_code,
        coalesce(to_segment_code, 0) as to_segment_code,
        cause_code,
        monetary
    from segment_moves
    where {{ in_refresh_scope(last_day_of(period, 'date_day')) }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

-- Code 0 is no segment: aggregates of engines differ in what they do with null.
net_moves as (
    select
        period,
        period_start,
        last_day,
        customer_id,
        nullif({{ value_at_earliest('from_segment_code', 'date_day') }}, 0) as from_segment_code,
        nullif({{ value_at_latest('to_segment_code', 'date_day') }}, 0) as to_segment_code,
        {{ value_at_latest('cause_code', 'date_day') }} as cause_code,
        {{ value_at_latest('monetary', 'date_day') }} as monetary
    from moves_in_periods
    group by period, period_start, last_day, customer_id
),

ends_of_periods as (
    select
        net_moves.*,
        least(net_moves.last_day, as_of_dates.as_of_date) as period_end
    from net_moves
    cross join as_of_dates
    where net_moves.from_segment_code is distinct from net_moves.to_segment_code
),

-- Money may have changed after the last move; an account that was taken over has the one it left with.
at_the_end as (
    select
        ends_of_periods.period,
        ends_of_periods.period_start,
        ends_of_periods.last_day as date_day,
        ends_of_periods.from_segment_code,
        ends_of_periods.to_segment_code,
        ends_of_periods.cause_code,
        coalesce(customer_days.monetary, ends_of_periods.monetary) as monetary
    from ends_of_periods
    left join customer_days
        on
            ends_of_periods.customer_id = customer_days.customer_id
            and ends_of_periods.period_end >= customer_days.valid_from
            and ends_of_periods.period_end < customer_days.valid_to
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
