with segment_futures as (
    select * from {{ ref('int_segment_futures') }}
    where horizon_days = 90
),

segment_codes as (
    select distinct
        segment_code,
        segment
    from {{ ref('int_cells') }}
),

segments as (
    select * from {{ ref('segments') }}
    where preset = '{{ var("segment_preset") }}'
),

sums as (
    select
        segment_code,
        sum(customers) as customers,
        sum(customers * revenue) as revenue,
        cast({{ as_double('sum(customers * revenue)') }} / sum(customers) as decimal(18, 4)) as shift
    from segment_futures
    group by segment_code
),

differences as (
    select
        segment_futures.segment_code,
        segment_futures.customers,
        cast(segment_futures.revenue - sums.shift as decimal(38, 4)) as difference
    from segment_futures
    inner join sums on segment_futures.segment_code = sums.segment_code
),

moments as (
    select
        segment_code,
        sum(customers * difference) as difference_sum,
        sum(customers * (difference * difference)) as square_sum
    from differences
    group by segment_code
),

final as (
    select
        segment_codes.segment,
        cast(segments.rank as integer) as rank,
        cast(sums.customers as bigint) as customers,
        cast(sums.revenue as decimal(38, 4)) as revenue,
        {{ as_double('sums.revenue') }} / sums.customers as mean_revenue,
        {{ exact_stddev('sums.customers', 'moments.difference_sum', 'moments.square_sum') }} as stddev_revenue
    from sums
    inner join moments on sums.segment_code = moments.segment_code
    inner join segment_codes on sums.segment_code = segment_codes.segment_code
    left join segments on segment_codes.segment = segments.segment
)

select * from final
