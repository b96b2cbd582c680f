{% set has_refunds = input_settings('refunds') is not none %}
{% set has_customers = input_settings('customers') is not none %}
with orders_by_day as (
    select * from {{ ref('int_orders_by_day') }}
    where date_day <= {{ as_of() }}
),

{% if has_refunds %}
refunds as (
    select * from {{ ref('stg_shop__refunds') }}
    where refund_date <= {{ as_of() }}
),
{% endif %}

{% if has_customers %}
customers as (
    select * from {{ ref('stg_shop__customers') }}
),
{% endif %}

final as (
    select
        'orders' as source,
        cast(coalesce(sum(order_rows), 0) as bigint) as row_count,
        {{ moved_between_zones('max(newest_at)', 'UTC', var('business_timezone')) }} as newest_at
    from orders_by_day
    {% if has_refunds %}
    union all
    -- Of a refund only the day is kept.
    select
        'refunds' as source,
        cast(count(*) as bigint) as row_count,
        cast(max(refund_date) as timestamp) as newest_at
    from refunds
    {% endif %}
    {% if has_customers %}
    union all
    select
        'customers' as source,
        cast(count(*) as bigint) as row_count,
        cast(null as timestamp) as newest_at
    from customers
    {% endif %}
)

select * from final
