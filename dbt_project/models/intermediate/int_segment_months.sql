{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        pre_hook="{{ forget_days_in_scope() }}",
    )
}}
-- depends_on: {{ ref('int_refresh_scope') }}
with periods as (
    select * from {{ ref('int_periods') }}
    where
        period = 'month'
        and {{ in_refresh_scope('last_day') }}
),

bounds as (
    select
        min({{ first_day_of('month', 'eve') }}) as first_day,
        min(period_start) as first_month,
        max(period_start) as last_month,
        min(eve) as first_eve,
        max(eve) as last_eve
    from periods
),

customer_days as (
    select * from {{ ref('int_customer_days') }}
    where
        last_order_date is not null
        and valid_from >= (select bounds.first_day from bounds)
),

intervals as (
    select * from {{ ref('int_timeline_intervals') }}
    where
        valid_to > (select bounds.first_eve from bounds)
        and valid_from <= (select bounds.last_eve from bounds)
        -- Most end in the month that they began in: no month has its eve in them.
        and {{ first_day_of('month', 'valid_to') }} > valid_from
),

-- Beside what a customer did in a month, the orders of the month before: who of its buyers came back
-- is retention.
customer_months as (
    select
        customer_id,
        {{ first_day_of('month', 'valid_from') }} as month_start,
        day_orders as orders,
        day_revenue as revenue,
        0 as orders_before,
        1 as is_of_month
    from customer_days
    {% if is_incremental() %}
    where valid_from >= (select bounds.first_month from bounds)
    {% endif %}
    union all
    select
        customer_id,
        {{ add_days(last_day_of('month', 'valid_from'), 1) }} as month_start,
        0 as orders,
        0 as revenue,
        day_orders as orders_before,
        0 as is_of_month
    from customer_days
    {% if is_incremental() %}
    where valid_from < (select bounds.last_month from bounds)
    {% endif %}
),

summed as (
    select
        customer_id,
        month_start,
        sum(orders) as orders,
        sum(revenue) as revenue,
        case when sum(orders_before) > 0 then 1 else 0 end as bought_before
    from customer_months
    group by customer_id, month_start
    having sum(orders_before) > 0 or max(is_of_month) = 1
),

joined as (
    select
        summed.customer_id,
        summed.orders,
        summed.revenue,
        summed.bought_before,
        periods.period_start,
        periods.last_day,
        periods.eve
    from summed
    inner join periods on summed.month_start = periods.period_start
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

buyers as (
    select *
    from on_the_eve
    where orders > 0
),

-- Who of equals comes first changes no sum, so that nothing but money decides the places.
buyers_in_order as (
    select
        period_start,
        segment_code,
        revenue,
        count(*) over (partition by period_start) as all_buyers,
        row_number() over (partition by period_start order by revenue desc) as place,
        count(*) over (partition by period_start, segment_code) as segment_buyers,
        row_number() over (partition by period_start, segment_code order by revenue desc) as segment_place
    from buyers
),

-- The fifth is rounded up.
top_buyers as (
    select
        period_start,
        segment_code,
        sum(case when 5 * segment_place <= segment_buyers + 4 then revenue else 0 end) as top_segment_revenue,
        sum(case when 5 * place <= all_buyers + 4 then revenue else 0 end) as top_revenue
    from buyers_in_order
    group by period_start, segment_code
),

by_segment as (
    select
        last_day,
        period_start,
        segment_code,
        count(case when orders > 0 then 1 end) as buyers,
        count(case when bought_before = 1 and segment_code is not null then 1 end) as buyers_before,
        count(case when orders > 0 and bought_before = 1 and segment_code is not null then 1 end) as buyers_retained,
        sum(orders) as orders,
        sum(revenue) as revenue,
        sum(case when orders > 0 then revenue else 0 end) as buyers_revenue
    from on_the_eve
    group by last_day, period_start, segment_code
),

valued as (
    select
        by_segment.*,
        coalesce(top_buyers.top_segment_revenue, 0) as top_segment_revenue,
        coalesce(top_buyers.top_revenue, 0) as top_revenue
    from by_segment
    left join top_buyers
        on
            by_segment.period_start = top_buyers.period_start
            and by_segment.segment_code is not distinct from top_buyers.segment_code
),

-- A row for every segment, and one for everybody: its number is 0.
lines as (
    select
        last_day,
        period_start,
        segment_code,
        buyers,
        0 as new_buyers,
        buyers_before,
        buyers_retained,
        orders,
        revenue,
        buyers_revenue,
        top_segment_revenue as top_buyers_revenue
    from valued
    where segment_code is not null
    union all
    select
        last_day,
        period_start,
        0 as segment_code,
        sum(buyers) as buyers,
        sum(case when segment_code is null then buyers else 0 end) as new_buyers,
        sum(buyers_before) as buyers_before,
        sum(buyers_retained) as buyers_retained,
        sum(orders) as orders,
        sum(revenue) as revenue,
        sum(buyers_revenue) as buyers_revenue,
        sum(top_revenue) as top_buyers_revenue
    from valued
    group by last_day, period_start
),

final as (
    select
        last_day as date_day,
        period_start,
        cast(segment_code as smallint) as segment_code,
        cast(buyers as bigint) as buyers,
        cast(new_buyers as bigint) as new_buyers,
        cast(buyers_before as bigint) as buyers_before,
        cast(buyers_retained as bigint) as buyers_retained,
        cast(orders as bigint) as orders,
        cast(revenue as decimal(18, 4)) as revenue,
        cast(buyers_revenue as decimal(18, 4)) as buyers_revenue,
        cast(top_buyers_revenue as decimal(18, 4)) as top_buyers_revenue
    from lines
)

select * from final
