{# Built last: what it says was taken into the history, was. #}
-- depends_on: {{ ref('int_timeline_intervals') }}
-- depends_on: {{ ref('int_segment_flows') }}
-- depends_on: {{ ref('int_segment_ends') }}
-- depends_on: {{ ref('int_period_moves') }}
-- depends_on: {{ ref('int_segment_months') }}
-- depends_on: {{ ref('int_customers_current') }}
-- depends_on: {{ ref('int_late_orders') }}
with order_days as (
    select * from {{ ref('int_order_days') }}
)

select * from order_days
