{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        pre_hook="{{ forget_days_in_scope() }}",
    )
}}
-- depends_on: {{ ref('int_refresh_scope') }}
{% set has_merges = 'customer_merges' in var('inputs') %}
{# Where money is not simply added up, a day can bring some and leave every label as it was. #}
{% set has_quiet_days = has_merges or var('rfm_window_days') or var('monetary_aggregate') == 'average' %}
with intervals as (
    select * from {{ ref('int_timeline_intervals') }}
),

{% if has_merges %}
account_holders as (
    select * from {{ ref('int_account_holders') }}
    where customer_id = holder_id
),
{% endif %}

{% if has_quiet_days %}
quiet_days as (
    select * from {{ ref('int_customer_days') }}
    where
        valid_from = valid_to
        and day_revenue <> 0
        and {{ in_refresh_scope('valid_from') }}
),
{% endif %}

starts as (
    select
        valid_from as date_day,
        previous_segment_code as from_segment_code,
        segment_code as to_segment_code,
        cause_code,
        1 as customers,
        monetary,
        orders as orders_held,
        {{ days_between(far_past(), 'last_order_date') }} as last_order_day,
        case when orders > 1 or first_order_date < last_order_date then 1 else 0 end as repeat_customer,
        day_orders,
        day_revenue
    from intervals
    where
        valid_from <= {{ as_of() }}
        and {{ in_refresh_scope('valid_from') }}
),

{% if has_merges %}
taken_over as (
    select
        intervals.valid_to as date_day,
        intervals.segment_code as from_segment_code,
        cast(null as smallint) as to_segment_code,
        cast(7 as smallint) as cause_code,
        1 as customers,
        intervals.monetary,
        0 as orders_held,
        0 as last_order_day,
        0 as repeat_customer,
        0 as day_orders,
        cast(0 as decimal(18, 4)) as day_revenue
    from intervals
    inner join account_holders
        on
            intervals.customer_id = account_holders.customer_id
            and intervals.valid_to = account_holders.held_to
    where
        intervals.valid_to <= {{ as_of() }}
        and {{ in_refresh_scope('intervals.valid_to') }}
),
{% endif %}

{% if has_quiet_days %}
-- Money without a step of the timeline: it counts, the customer is there already.
quiet_money as (
    select
        quiet_days.valid_from as date_day,
        intervals.segment_code as from_segment_code,
        intervals.segment_code as to_segment_code,
        cast(6 as smallint) as cause_code,
        0 as customers,
        cast(0 as decimal(18, 4)) as monetary,
        0 as orders_held,
        0 as last_order_day,
        0 as repeat_customer,
        quiet_days.day_orders,
        quiet_days.day_revenue
    from quiet_days
    inner join intervals
        on
            quiet_days.customer_id = intervals.customer_id
            and quiet_days.valid_from >= intervals.valid_from
            and quiet_days.valid_from < intervals.valid_to
),
{% endif %}

moves as (
    select * from starts
    {% if has_quiet_days %}
    union all
    select * from quiet_money
    {% endif %}
    {% if has_merges %}
    union all
    select * from taken_over
    {% endif %}
),

final as (
    select
        date_day,
        from_segment_code,
        to_segment_code,
        cause_code,
        cast(sum(customers) as bigint) as customers,
        cast(sum(monetary) as decimal(18, 4)) as monetary,
        cast(sum(orders_held) as bigint) as orders_held,
        cast(sum(last_order_day) as bigint) as last_order_days,
        cast(sum(repeat_customer) as bigint) as repeat_customers,
        cast(sum(day_orders) as bigint) as orders,
        cast(sum(day_revenue) as decimal(18, 4)) as revenue
    from moves
    group by date_day, from_segment_code, to_segment_code, cause_code
)

select * from final
