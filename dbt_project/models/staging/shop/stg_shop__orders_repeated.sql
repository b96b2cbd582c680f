{# Finding the few repeated ids once is cheaper than a window over all orders. #}
{{ config(materialized='table') }}
-- depends_on: {{ ref('stg_shop__order_batches_changed') }}
{% set is_by_line = input_settings('order_lines') is not none %}
{% set known = state_of('stg_shop__orders_repeated') %}
with orders as (
    select * from {{ ref('stg_shop__orders_checked') }}
    {% if is_by_line %}
    -- Lines were summed to orders, one of each.
    where false
    {% endif %}
),

{% if known and state_of('stg_shop__order_batches_applied') %}
batches_changed as (
    select * from {{ ref('stg_shop__order_batches_changed') }}
),

-- An id that was told apart before still is, unless a row of it came, went or changed.
ids_in_question as (
    select order_id
    from orders
    where batch in (select batches_changed.batch from batches_changed)
    union
    select order_id from {{ known }}
),

orders_in_question as (
    select order_id
    from orders
    where order_id in (select ids_in_question.order_id from ids_in_question)
),
{% else %}
orders_in_question as (
    select order_id from orders
),
{% endif %}

final as (
    select order_id
    from orders_in_question
    where order_id is not null
    group by order_id
    having count(*) > 1
)

select * from final
