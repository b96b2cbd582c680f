{% set horizons = [28, 90] %}
with horizons as (
    {% for horizon_days in horizons %}
    select
        {{ horizon_days }} as horizon_days,
        {{ add_days(as_of(), 0 - horizon_days) }} as date_day
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

intervals as (
    select * from {{ ref('int_timeline_intervals') }}
),

customer_days as (
    select * from {{ ref('int_customer_days') }}
    where
        valid_from > {{ add_days(as_of(), 0 - (horizons | max)) }}
        and valid_from <= {{ as_of() }}
),

segments_then as (
    select
        horizons.horizon_days,
        intervals.customer_id,
        intervals.segment_code
    from intervals
    inner join horizons
        on
            intervals.valid_from <= horizons.date_day
            and intervals.valid_to > horizons.date_day
),

orders_since as (
    select
        horizons.horizon_days,
        customer_days.customer_id,
        sum(customer_days.day_orders) as orders,
        sum(customer_days.day_revenue) as revenue
    from customer_days
    inner join horizons on customer_days.valid_from > horizons.date_day
    group by horizons.horizon_days, customer_days.customer_id
),

final as (
    select
        segments_then.horizon_days,
        segments_then.segment_code,
        cast(coalesce(orders_since.orders, 0) as bigint) as orders,
        cast(coalesce(orders_since.revenue, 0) as decimal(18, 4)) as revenue,
        cast(count(*) as bigint) as customers
    from segments_then
    left join orders_since
        on
            segments_then.horizon_days = orders_since.horizon_days
            and segments_then.customer_id = orders_since.customer_id
    group by
        segments_then.horizon_days,
        segments_then.segment_code,
        cast(coalesce(orders_since.orders, 0) as bigint),
        cast(coalesce(orders_since.revenue, 0) as decimal(18, 4))
)

select * from final
