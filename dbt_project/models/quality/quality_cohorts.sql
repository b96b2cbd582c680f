with net_moves as (
    select * from {{ ref('int_net_moves') }}
    where horizon_days = 7
),

segment_codes as (
    select distinct
        segment_code,
        segment
    from {{ ref('int_cells') }}
),

-- The first label of somebody who bought: a label that came with a merged account is no first order.
final as (
    select
        net_moves.block,
        segment_codes.segment,
        cast(sum(net_moves.customers) as bigint) as customers
    from net_moves
    inner join segment_codes on net_moves.to_segment_code = segment_codes.segment_code
    where
        net_moves.from_segment_code is null
        and net_moves.first_cause_code = 1
    group by net_moves.block, segment_codes.segment
)

select * from final
