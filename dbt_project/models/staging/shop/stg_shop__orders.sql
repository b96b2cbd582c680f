{% set columns = [
    'order_id', 'customer_id', 'channel', 'gross_amount', 'refunded_amount', 'cost_amount', 'items',
    'is_counted', 'order_date', 'ordered_at',
] %}
with orders_checked as (
    select * from {{ ref('stg_shop__orders_checked') }}
),

orders_repeated as (
    select * from {{ ref('stg_shop__orders_repeated') }}
),

orders_resolved as (
    select * from {{ ref('stg_shop__orders_resolved') }}
),

orders_delivered_once as (
    select {{ columns | join(', ') }}
    from orders_checked
    where
        outcome = 'accepted'
        and not exists (
            select 1
            from orders_repeated
            where orders_repeated.order_id = orders_checked.order_id
        )
),

final as (
    select {{ columns | join(', ') }}
    from orders_delivered_once
    union all
    select {{ columns | join(', ') }}
    from orders_resolved
    where outcome = 'accepted'
)

select * from final
