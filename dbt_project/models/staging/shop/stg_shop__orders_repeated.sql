{# Finding the few repeated ids once is cheaper than a window over all orders. #}
{{ config(materialized='table') }}

with orders_checked as (
    select * from {{ ref('stg_shop__orders_checked') }}
),

final as (
    select order_id
    from orders_checked
    where outcome = 'accepted' and order_id is not null
    group by order_id
    having count(*) > 1
)

select * from final
