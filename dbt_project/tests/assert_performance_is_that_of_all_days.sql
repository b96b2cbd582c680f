-- A returned row is a month whose orders or money, by the segments of its eve, are not those of its days,
-- or whose segments hold more than everybody.
{{ config(meta={
    'description': 'Orders and money of a month are those of its days, and no segment has what everybody has not.',
    'dagster': {'ref': {'name': 'segment_performance'}},
}) }}

with performance as (
    select * from {{ ref('segment_performance') }}
),

daily_metrics as (
    select * from {{ ref('segment_daily_metrics') }}
),

days_in_months as (
    select
        {{ first_day_of('month', 'date_day') }} as period_start,
        sum(orders) as orders,
        sum(revenue) as revenue
    from daily_metrics
    group by {{ first_day_of('month', 'date_day') }}
),

everybody as (
    select *
    from performance
    where segment = 'all'
),

segments as (
    select
        period_start,
        sum(customers_at_start) as customers_at_start,
        sum(buyers) as buyers
    from performance
    where segment <> 'all'
    group by period_start
),

final as (
    select
        everybody.period_start,
        everybody.orders,
        everybody.revenue
    from everybody
    left join days_in_months on everybody.period_start = days_in_months.period_start
    left join segments on everybody.period_start = segments.period_start
    where
        everybody.orders is distinct from days_in_months.orders
        or everybody.revenue is distinct from days_in_months.revenue
        or everybody.customers_at_start is distinct from segments.customers_at_start
        or everybody.buyers is distinct from segments.buyers + everybody.new_buyers
)

select * from final
