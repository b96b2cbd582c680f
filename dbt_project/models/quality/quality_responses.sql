with segment_futures as (
    select * from {{ ref('int_segment_futures') }}
    where horizon_days = 28
),

segment_codes as (
    select distinct
        segment_code,
        segment
    from {{ ref('int_cells') }}
),

final as (
    select
        segment_codes.segment,
        cast(sum(segment_futures.customers) as bigint) as customers,
        cast(
            sum(case when segment_futures.orders > 0 then segment_futures.customers else 0 end) as bigint
        ) as bought_again,
        cast(sum(segment_futures.customers * segment_futures.orders) as bigint) as orders,
        cast(sum(segment_futures.customers * segment_futures.revenue) as decimal(38, 4)) as revenue
    from segment_futures
    inner join segment_codes on segment_futures.segment_code = segment_codes.segment_code
    group by segment_codes.segment
)

select * from final
