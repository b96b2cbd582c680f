{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        pre_hook="{{ forget_days_in_scope() }}",
    )
}}
-- depends_on: {{ ref('int_refresh_scope') }}
with intervals as (
    select * from {{ ref('int_timeline_intervals') }}
),

final as (
    select
        valid_to as date_day,
        segment_code,
        cast(count(*) as bigint) as customers,
        cast(sum(monetary) as decimal(18, 4)) as monetary,
        cast(sum(orders) as bigint) as orders_held,
        cast(sum({{ days_between(far_past(), 'last_order_date') }}) as bigint) as last_order_days,
        cast(
            count(case when orders > 1 or first_order_date < last_order_date then 1 end) as bigint
        ) as repeat_customers
    from intervals
    where
        valid_to <= {{ as_of() }}
        and {{ in_refresh_scope('valid_to') }}
    group by valid_to, segment_code
)

select * from final
