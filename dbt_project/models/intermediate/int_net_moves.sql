with movement_blocks as (
    select * from {{ ref('int_movement_blocks') }}
),

first_blocks as (
    select min(block_start) as first_start
    from movement_blocks
),

segment_moves as (
    select
        moves.customer_id,
        moves.date_day,
        coalesce(moves.from_segment_code, 0) as from_segment_code,
        coalesce(moves.to_segment_code, 0) as to_segment_code,
        moves.cause_code
    from {{ ref('int_segment_moves') }} as moves
    where moves.date_day > (select first_blocks.first_start from first_blocks)
),

-- However often a customer moved within a block, what counts is where it led from its eve to its end.
customers_moved as (
    select
        movement_blocks.horizon_days,
        movement_blocks.block,
        segment_moves.customer_id,
        {{ value_at_earliest('segment_moves.from_segment_code', 'segment_moves.date_day') }} as from_segment_code,
        {{ value_at_earliest('segment_moves.cause_code', 'segment_moves.date_day') }} as first_cause_code,
        {{ value_at_latest('segment_moves.to_segment_code', 'segment_moves.date_day') }} as to_segment_code,
        {{ value_at_latest('segment_moves.cause_code', 'segment_moves.date_day') }} as last_cause_code
    from segment_moves
    inner join movement_blocks
        on
            segment_moves.date_day > movement_blocks.block_start
            and segment_moves.date_day <= movement_blocks.block_end
    group by movement_blocks.horizon_days, movement_blocks.block, segment_moves.customer_id
),

final as (
    select
        horizon_days,
        block,
        nullif(from_segment_code, 0) as from_segment_code,
        nullif(to_segment_code, 0) as to_segment_code,
        first_cause_code,
        last_cause_code,
        cast(count(*) as bigint) as customers
    from customers_moved
    group by horizon_days, block, from_segment_code, to_segment_code, first_cause_code, last_cause_code
)

select * from final
