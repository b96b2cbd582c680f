{% set fingerprinted = [
    'order_id', 'customer_id', 'gross_amount', 'refunded_amount', 'cost_amount', 'is_counted',
] %}
with orders as (
    select * from {{ ref('stg_shop__orders') }}
),

final as (
    select
        order_date as date_day,
        nullif(channel, '') as channel,
        cast(count(*) as bigint) as order_rows,
        cast(count(*) filter (where is_counted) as bigint) as counted_orders,
        cast(count(items) filter (where is_counted) as bigint) as orders_with_items,
        cast(count(cost_amount) filter (where is_counted) as bigint) as orders_with_cost,
        cast(sum(amount) as decimal(38, 4)) as amount,
        cast(sum(gross_amount) as decimal(38, 4)) as gross_amount,
        cast(sum(refunded_amount) as decimal(38, 4)) as refunded_amount,
        cast(coalesce(sum(cost_amount), 0) as decimal(38, 4)) as cost_amount,
        max(ordered_at) as newest_at,
        cast(sum(cast({{ row_hash(fingerprinted) }} as decimal(38, 0))) as decimal(38, 0)) as fingerprint
    from orders
    group by order_date, nullif(channel, '')
)

select * from final
