{% set late_after_days = 3 %}
{% set applied_days = state_of('int_days_applied') %}
with order_days as (
    select * from {{ ref('int_order_days') }}
),

{% if applied_days %}
applied_days as (
    select * from {{ applied_days }}
),

added as (
    select
        order_days.order_day,
        greatest(order_days.order_rows - coalesce(applied_days.order_rows, 0), 0) as order_rows
    from order_days
    left join applied_days on order_days.order_day = applied_days.order_day
),
{% else %}
-- Nothing was known before, so nothing can be said to have come late.
added as (
    select
        order_day,
        0 as order_rows
    from order_days
),
{% endif %}

final as (
    select
        cast(coalesce(sum(order_rows), 0) as bigint) as arrived_orders,
        cast(coalesce(sum(
            case when order_day < {{ add_days(as_of(), 0 - late_after_days) }} then order_rows else 0 end
        ), 0) as bigint) as late_orders
    from added
)

select * from final
