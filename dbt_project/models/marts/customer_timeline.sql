{{ config(materialized='view') }}

with intervals as (
    select * from {{ ref('int_timeline_intervals') }}
),

regimes as (
    select * from {{ ref('int_regimes') }}
),

segment_codes as (
    select distinct
        segment_code,
        segment
    from {{ ref('int_cells') }}
),

stage_codes as (
    select * from {{ ref('int_stage_codes') }}
),

final as (
    select
        intervals.customer_id,
        intervals.valid_from,
        intervals.valid_to,
        cast(intervals.r_score as integer) as r_score,
        cast(intervals.f_score as integer) as f_score,
        cast(intervals.m_score as integer) as m_score,
        segment_codes.segment,
        previous_segment_codes.segment as previous_segment,
        stage_codes.stage as lifecycle_stage,
        {{ cause_name('intervals.cause_code') }} as cause,
        regimes.scorecard_id,
        regimes.ruleset_id,
        intervals.first_order_date,
        intervals.last_order_date,
        intervals.orders,
        intervals.monetary,
        intervals.valid_from > {{ as_of() }} as is_projected
    from intervals
    inner join regimes
        on
            intervals.valid_from >= regimes.valid_from
            and intervals.valid_from < regimes.valid_to
    inner join segment_codes on intervals.segment_code = segment_codes.segment_code
    inner join stage_codes on intervals.stage_code = stage_codes.stage_code
    left join segment_codes as previous_segment_codes
        on intervals.previous_segment_code = previous_segment_codes.segment_code
)

select * from final
