with segment_flows as (
    select * from {{ ref('int_segment_flows') }}
),

segment_codes as (
    select distinct
        segment_code,
        segment
    from {{ ref('int_cells') }}
),

moves as (
    select *
    from segment_flows
    where from_segment_code is distinct from to_segment_code
),

final as (
    select
        moves.date_day,
        from_segments.segment as from_segment,
        to_segments.segment as to_segment,
        {{ cause_name('moves.cause_code') }} as cause,
        moves.customers,
        moves.monetary
    from moves
    left join segment_codes as from_segments on moves.from_segment_code = from_segments.segment_code
    left join segment_codes as to_segments on moves.to_segment_code = to_segments.segment_code
)

select * from final
