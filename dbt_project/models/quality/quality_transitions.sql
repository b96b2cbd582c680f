with movement_blocks as (
    select * from {{ ref('int_movement_blocks') }}
),

net_moves as (
    select * from {{ ref('int_net_moves') }}
),

daily_metrics as (
    select * from {{ ref('segment_daily_metrics') }}
),

segment_codes as (
    select distinct
        segment_code,
        segment
    from {{ ref('int_cells') }}
),

first_label_days as (
    select min(date_day) as first_label_day
    from daily_metrics
),

-- On its eve somebody must have had a label, otherwise the block would compare with nothing.
blocks as (
    select movement_blocks.*
    from movement_blocks
    inner join first_label_days on movement_blocks.block_start >= first_label_days.first_label_day
),

sizes as (
    select
        blocks.horizon_days,
        blocks.block,
        daily_metrics.segment,
        daily_metrics.customers
    from blocks
    inner join daily_metrics on blocks.block_start = daily_metrics.date_day
),

moves_named as (
    select
        net_moves.horizon_days,
        net_moves.block,
        from_codes.segment as from_segment,
        to_codes.segment as to_segment,
        sum(net_moves.customers) as customers
    from net_moves
    inner join segment_codes as from_codes on net_moves.from_segment_code = from_codes.segment_code
    left join segment_codes as to_codes on net_moves.to_segment_code = to_codes.segment_code
    where net_moves.from_segment_code is distinct from net_moves.to_segment_code
    group by net_moves.horizon_days, net_moves.block, from_codes.segment, to_codes.segment
),

leavers as (
    select
        horizon_days,
        block,
        from_segment,
        sum(customers) as customers
    from moves_named
    group by horizon_days, block, from_segment
),

pairs as (
    select
        horizon_days,
        block,
        from_segment,
        to_segment,
        customers
    from moves_named
    where to_segment is not null
    union all
    select
        sizes.horizon_days,
        sizes.block,
        sizes.segment as from_segment,
        sizes.segment as to_segment,
        sizes.customers - coalesce(leavers.customers, 0) as customers
    from sizes
    left join leavers
        on
            sizes.horizon_days = leavers.horizon_days
            and sizes.block = leavers.block
            and sizes.segment = leavers.from_segment
),

final as (
    select
        blocks.horizon_days,
        blocks.block,
        blocks.block_start,
        blocks.block_end,
        pairs.from_segment,
        pairs.to_segment,
        cast(pairs.customers as bigint) as customers
    from pairs
    inner join blocks
        on
            pairs.horizon_days = blocks.horizon_days
            and pairs.block = blocks.block
    where pairs.customers <> 0
)

select * from final
