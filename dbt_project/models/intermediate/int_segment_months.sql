{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        pre_hook="{{ forget_days_in_scope() }}",
    )
}}
-- depends_on: {{ ref('int_refresh_scope') }}
with customer_days as (
    select * from {{ ref('int_customer_days') }}
    where last_order_date is not null
),

intervals as (
    select * from {{ ref('int_timeline_intervals') }}
),

periods as (
    select * from {{ ref('int_periods') }}
    where
        period = 'month'
        and {{ in_refresh_scope('last_day') }}
),

days_in_months as (
    select
        *,
        {{ first_day_of('month', 'valid_from') }} as month_start,
        {{ last_day_of('month', 'valid_from') }} as last_day
    from customer_days
),

-- What a customer did in a month.
customer_months as (
    select
        customer_id,
        month_start,
        {{ add_days('last_day', 1) }} as next_month_start,
        sum(day_orders) as orders,
        sum(day_revenue) as revenue
    from days_in_months
    group by customer_id, month_start, last_day
),

-- Beside the buyers of a month, those of the month before: who of them came back is retention.
this_month as (
    select
        customer_id,
        month_start,
        orders,
        revenue,
        false as is_buyer_of_month_before
    from customer_months
),

month_before as (
    select
        customer_id,
        next_month_start as month_start,
        0 as orders,
        0 as revenue,
        true as is_buyer_of_month_before
    from customer_months
    where orders > 0
),

both_months as (
    select * from this_month
    union all
    select * from month_before
),

joined as (
    select
        both_months.customer_id,
        periods.period_start,
        periods.last_day,
        periods.eve,
        sum(both_months.orders) as orders,
        sum(both_months.revenue) as revenue,
        max(case when both_months.is_buyer_of_month_before then 1 else 0 end) as bought_before
    from both_months
    inner join periods on both_months.month_start = periods.period_start
    group by both_months.customer_id, periods.period_start, periods.last_day, periods.eve
),

on_the_eve as (
    select
        joined.*,
        intervals.segment_code
    from joined
    left join intervals
        on
            joined.customer_id = intervals.customer_id
            and joined.eve >= intervals.valid_from
            and joined.eve < intervals.valid_to
),

-- A row for the segment, and one for all customers: its number is 0.
grouped as (
    select
        *,
        coalesce(segment_code, 0) as row_code
    from on_the_eve
    where segment_code is not null
    union all
    select
        *,
        0 as row_code
    from on_the_eve
),

ranked as (
    select
        *,
        count(case when orders > 0 then 1 end) over (partition by period_start, row_code) as all_buyers,
        row_number() over (
            partition by period_start, row_code
            order by case when orders > 0 then 0 else 1 end asc, revenue desc, customer_id asc
        ) as place
    from grouped
),

final as (
    select
        last_day as date_day,
        period_start,
        cast(row_code as smallint) as segment_code,
        cast(count(case when orders > 0 then 1 end) as bigint) as buyers,
        cast(count(case when orders > 0 and segment_code is null then 1 end) as bigint) as new_buyers,
        cast(sum(case when segment_code is null then 0 else bought_before end) as bigint) as buyers_before,
        cast(
            count(case when orders > 0 and bought_before = 1 and segment_code is not null then 1 end) as bigint
        ) as buyers_retained,
        cast(sum(orders) as bigint) as orders,
        cast(sum(revenue) as decimal(18, 4)) as revenue,
        cast(sum(case when orders > 0 then revenue else 0 end) as decimal(18, 4)) as buyers_revenue,
        cast(
            sum(case when orders > 0 and 5 * place <= all_buyers + 4 then revenue else 0 end) as decimal(18, 4)
        ) as top_buyers_revenue
    from ranked
    group by last_day, period_start, row_code
)

select * from final
