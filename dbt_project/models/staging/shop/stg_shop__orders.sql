{% set columns = [
    'order_id', 'customer_id', 'channel', 'amount', 'gross_amount', 'refunded_amount', 'cost_amount',
    'items', 'is_counted', 'order_date', 'ordered_at',
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
    select orders_checked.{{ columns | join(', orders_checked.') }}
    from orders_checked
    left join orders_repeated
        on orders_checked.order_id = orders_repeated.order_id
    where orders_checked.outcome = 'accepted' and orders_repeated.order_id is null
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
