with movement_blocks as (
    select * from {{ ref('int_movement_blocks') }}
    where block = 0
),

net_moves as (
    select * from {{ ref('int_net_moves') }}
    where block = 0
),

daily_metrics as (
    select * from {{ ref('segment_daily_metrics') }}
),

cause_codes as (
    {% for cause_code in range(1, 8) %}
    select {{ cause_code }} as cause_code
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

sizes as (
    select
        movement_blocks.horizon_days,
        sum(daily_metrics.customers) as customers
    from movement_blocks
    inner join daily_metrics on movement_blocks.block_start = daily_metrics.date_day
    group by movement_blocks.horizon_days
    having sum(daily_metrics.customers) > 0
),

movers as (
    select
        horizon_days,
        last_cause_code,
        sum(customers) as customers
    from net_moves
    where
        from_segment_code is not null
        and to_segment_code is not null
        and from_segment_code <> to_segment_code
    group by horizon_days, last_cause_code
),

final as (
    select
        sizes.horizon_days,
        {{ cause_name('cause_codes.cause_code') }} as cause,
        cast(coalesce(movers.customers, 0) as bigint) as customers,
        cast(sizes.customers as bigint) as customers_at_start
    from sizes
    cross join cause_codes
    left join movers
        on
            sizes.horizon_days = movers.horizon_days
            and cause_codes.cause_code = movers.last_cause_code
)

select * from final
