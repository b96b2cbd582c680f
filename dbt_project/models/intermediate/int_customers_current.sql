{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        partition_by=partition_of_buckets(),
        pre_hook="{{ forget_customers('int_customers_stepping') }}",
    )
}}
-- depends_on: {{ ref('int_customers_stepping') }}
{% if is_incremental() %}
with intervals as (
    select * from {{ ref('int_timeline_intervals') }}
    where customer_id in (select stepping.customer_id from {{ ref('int_customers_stepping') }} as stepping)
),

current_intervals as (
    select * from intervals
    where
        valid_from <= {{ as_of() }}
        and valid_to > {{ as_of() }}
),
{% else %}
{# Of everybody both are read apart: what two have in common would be kept in memory. #}
with current_intervals as (
    select * from {{ ref('int_timeline_intervals') }}
    where
        valid_from <= {{ as_of() }}
        and valid_to > {{ as_of() }}
),

intervals as (
    select * from {{ ref('int_timeline_intervals') }}
),
{% endif %}

-- Day, segment and cause as one number, which sorts by the day.
moves_coded as (
    select
        customer_id,
        valid_from <= {{ as_of() }} as is_past,
        cast({{ days_between(far_past(), 'valid_from') }} as bigint) * 1000000 as day_code,
        coalesce(previous_segment_code, 0) * 10 + cause_code as leaving,
        segment_code as arriving
    from intervals
    where segment_code is distinct from previous_segment_code
),

moves_found as (
    select
        customer_id,
        max(case when is_past then day_code + leaving end) as last_move,
        min(case when not is_past then day_code + arriving end) as next_move
    from moves_coded
    group by customer_id
),

moves_decoded as (
    select
        customer_id,
        {{ add_days(far_past(), 'floor(last_move / 1000000)') }} as segment_since,
        cast(mod(last_move, 10) as smallint) as segment_cause_code,
        nullif(cast(floor(mod(last_move, 1000000) / 10) as smallint), 0) as previous_segment_code,
        {{ add_days(far_past(), 'floor(next_move / 1000000)') }} as next_segment_on,
        cast(mod(next_move, 1000000) as smallint) as next_segment_code
    from moves_found
    where last_move is not null
),

final as (
    select
        {{ bucket_column('current_intervals.customer_id') }}
        current_intervals.customer_id,
        current_intervals.valid_from,
        current_intervals.valid_to,
        current_intervals.first_order_date,
        current_intervals.last_order_date,
        current_intervals.orders,
        current_intervals.monetary,
        current_intervals.r_score,
        current_intervals.f_score,
        current_intervals.m_score,
        current_intervals.segment_code,
        current_intervals.stage_code,
        moves_decoded.segment_since,
        moves_decoded.segment_cause_code,
        moves_decoded.previous_segment_code,
        moves_decoded.next_segment_code,
        moves_decoded.next_segment_on
    from current_intervals
    inner join moves_decoded on current_intervals.customer_id = moves_decoded.customer_id
)

select * from final
