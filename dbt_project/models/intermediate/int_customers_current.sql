{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        pre_hook="{{ forget_customers('int_customers_stepping') }}",
    )
}}
-- depends_on: {{ ref('int_customers_stepping') }}
with intervals as (
    select * from {{ ref('int_timeline_intervals') }}
    {% if is_incremental() %}
    where customer_id in (select stepping.customer_id from {{ ref('int_customers_stepping') }} as stepping)
    {% endif %}
),

current_intervals as (
    select *
    from intervals
    where
        valid_from <= {{ as_of() }}
        and valid_to > {{ as_of() }}
),

past_moves as (
    select
        customer_id,
        max(valid_from) as segment_since,
        {{ value_at_latest('cause_code', 'valid_from') }} as segment_cause_code,
        {{ value_at_latest('previous_segment_code', 'valid_from') }} as previous_segment_code
    from intervals
    where
        valid_from <= {{ as_of() }}
        and segment_code is distinct from previous_segment_code
    group by customer_id
),

coming_moves as (
    select
        customer_id,
        min(valid_from) as next_segment_on,
        {{ value_at_earliest('segment_code', 'valid_from') }} as next_segment_code
    from intervals
    where
        valid_from > {{ as_of() }}
        and segment_code is distinct from previous_segment_code
    group by customer_id
),

final as (
    select
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
        past_moves.segment_since,
        past_moves.segment_cause_code,
        past_moves.previous_segment_code,
        coming_moves.next_segment_code,
        coming_moves.next_segment_on
    from current_intervals
    inner join past_moves on current_intervals.customer_id = past_moves.customer_id
    left join coming_moves on current_intervals.customer_id = coming_moves.customer_id
)

select * from final
