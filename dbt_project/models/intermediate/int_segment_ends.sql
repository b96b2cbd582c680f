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
        cast(sum(monetary) as decimal(18, 4)) as monetary
    from intervals
    where
        valid_to <= {{ as_of() }}
        and {{ in_refresh_scope('valid_to') }}
    group by valid_to, segment_code
)

select * from final
