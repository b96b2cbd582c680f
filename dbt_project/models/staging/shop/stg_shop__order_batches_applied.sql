{# Built after everything that takes over what is known of a batch that did not change. #}
{{ config(materialized='table') }}
-- depends_on: {{ ref('stg_shop__orders_checked') }}
-- depends_on: {{ ref('stg_shop__orders_repeated') }}
with order_batches as (
    select * from {{ ref('stg_shop__order_batches') }}
)

select * from order_batches
