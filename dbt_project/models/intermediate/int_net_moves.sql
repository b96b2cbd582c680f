with movement_blocks as (
    select * from {{ ref('int_movement_blocks') }}
),

segment_moves as (
    select * from {{ ref('int_segment_moves') }}
),

bounds as (
    select
        min(block_start) as first_start,
        max(block_end) as last_end
    from movement_blocks
),

-- Day, segment and cause as one number, which sorts by the day: then the earliest and the latest
-- move of a customer are a plain minimum and maximum.
moves_coded as (
    select
        segment_moves.customer_id,
        segment_moves.date_day,
        {{ days_between('bounds.first_start', 'segment_moves.date_day') }} * 1000000
        + coalesce(segment_moves.from_segment_code, 0) * 10 + segment_moves.cause_code as leaving,
        {{ days_between('bounds.first_start', 'segment_moves.date_day') }} * 1000000
        + coalesce(segment_moves.to_segment_code, 0) * 10 + segment_moves.cause_code as arriving
    from segment_moves
    inner join bounds
        on
            segment_moves.date_day > bounds.first_start
            and segment_moves.date_day <= bounds.last_end
),

block_days as (
    {{ explode_days('movement_blocks', 'block_start', 'block_end') }}
),

-- However often a customer moved within a block, what counts is where it led from its eve to its end.
customers_moved as (
    select
        block_days.horizon_days,
        block_days.block,
        moves_coded.customer_id,
        mod(min(moves_coded.leaving), 1000000) as leaving,
        mod(max(moves_coded.arriving), 1000000) as arriving
    from moves_coded
    inner join block_days on moves_coded.date_day = block_days.date_day
    where block_days.date_day > block_days.block_start
    group by block_days.horizon_days, block_days.block, moves_coded.customer_id
),

counted as (
    select
        horizon_days,
        block,
        leaving,
        arriving,
        count(*) as customers
    from customers_moved
    group by horizon_days, block, leaving, arriving
),

final as (
    select
        horizon_days,
        block,
        nullif(cast(floor(leaving / 10.0) as smallint), 0) as from_segment_code,
        nullif(cast(floor(arriving / 10.0) as smallint), 0) as to_segment_code,
        cast(mod(leaving, 10) as smallint) as first_cause_code,
        cast(mod(arriving, 10) as smallint) as last_cause_code,
        cast(customers as bigint) as customers
    from counted
)

select * from final
