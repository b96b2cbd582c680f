with frequency_bands as (
    select * from {{ ref('int_frequency_bands') }}
),

monetary_bands as (
    select * from {{ ref('int_monetary_bands') }}
),

fresh_runs as (
    select * from {{ ref('int_fresh_runs') }}
),

scoring_days as (
    select * from {{ ref('int_scoring_days') }}
),

frequency_limits as (
    select max(orders_up_to_highest) as highest_orders
    from frequency_bands
),

monetary_limits as (
    select
        max(bucket_width) as bucket_width,
        max(lowest_bucket) as lowest_bucket,
        max(highest_bucket) as highest_bucket
    from monetary_bands
),

fresh_run_lengths as (
    select
        clock,
        {{ days_between('clock_date', 'valid_from') }} as fresh_days
    from fresh_runs
    where clock <> 'none'
),

fresh_limits as (
    select
        coalesce(max(case when clock = 'since_first_order' then fresh_days end), 0) as first_order_days,
        coalesce(max(case when clock = 'since_return' then fresh_days end), 0) as return_days
    from fresh_run_lengths
),

scoring_limits as (
    select max(date_day) as last_scoring_day
    from scoring_days
),

final as (
    select
        frequency_limits.highest_orders,
        monetary_limits.bucket_width,
        monetary_limits.lowest_bucket,
        monetary_limits.highest_bucket,
        fresh_limits.first_order_days,
        fresh_limits.return_days,
        scoring_limits.last_scoring_day
    from frequency_limits
    cross join monetary_limits
    cross join fresh_limits
    cross join scoring_limits
)

select * from final
