{# Finding the few repeated ids once, before any check, is cheaper than a window over all orders. #}
{{ config(materialized='table') }}

with orders as (
    select {{ clean_id('order_id') }} as order_id
    from {{ ref('base_shop__orders') }}
),

final as (
    select order_id
    from orders
    where order_id is not null
    group by order_id
    having count(*) > 1
)

select * from final
