with segment_months as (
    select * from {{ ref('int_segment_months') }}
),

periods as (
    select * from {{ ref('int_periods') }}
    where period = 'month'
),

segment_days as (
    select * from {{ ref('int_segment_days') }}
),

current_customers as (
    select * from {{ ref('int_customers_current') }}
),

segments as (
    select * from {{ ref('segments') }}
    where preset = '{{ var("segment_preset") }}'
),

segment_codes as (
    select distinct
        segment_code,
        segment
    from segment_days
    union all
    select
        0 as segment_code,
        'all' as segment
),

history as (
    select min(date_day) as first_day
    from segment_days
),

sizes as (
    select
        date_day,
        segment_code,
        customers,
        repeat_customers,
        lifetime_revenue
    from segment_days
    union all
    select
        date_day,
        0 as segment_code,
        sum(customers) as customers,
        sum(repeat_customers) as repeat_customers,
        sum(lifetime_revenue) as lifetime_revenue
    from segment_days
    group by date_day
),

-- By value and not by customer: what is put in order is small, whatever the number of customers.
by_money as (
    select
        monetary,
        cast(count(*) as bigint) as customers
    from current_customers
    group by monetary
),

ranked as (
    select
        monetary,
        customers,
        sum(customers) over (order by monetary desc rows between unbounded preceding and current row) as richest,
        cast(floor((sum(customers) over () + 4) / 5) as bigint) as a_fifth
    from by_money
),

top_customers as (
    select
        0 as segment_code,
        {{ exact_share(
            'sum(monetary * cast(greatest(least(customers, a_fifth - richest + customers), 0) as bigint))',
            'sum(monetary * customers)',
        ) }} as top_20_share_to_date
    from ranked
),

grid as (
    select
        periods.period_start,
        periods.period_end,
        periods.eve,
        periods.is_complete,
        {{ first_day_of('month', 'periods.eve') }} as month_before,
        cast({{ dbt.dateadd('month', -12, 'periods.period_start') }} as date) as year_before,
        {{ as_of() }} between periods.period_start and periods.last_day as is_newest,
        segment_codes.segment_code,
        segment_codes.segment
    from periods
    cross join segment_codes
),

final as (
    select
        grid.period_start,
        grid.period_end,
        grid.segment,
        segments.rank,
        cast(coalesce(sizes.customers, 0) as bigint) as customers_at_start,
        coalesce(segment_months.buyers, 0) as buyers,
        coalesce(segment_months.new_buyers, 0) as new_buyers,
        {{ exact_share(
            'coalesce(segment_months.buyers - segment_months.new_buyers, 0)',
            'sizes.customers',
        ) }} as conversion_rate,
        coalesce(segment_months.orders, 0) as orders,
        cast(coalesce(segment_months.revenue, 0) as decimal(18, 4)) as revenue,
        {{ exact_average('segment_months.revenue', 'nullif(segment_months.orders, 0)') }} as average_order_value,
        {{ exact_share('segment_months.buyers_retained', 'segment_months.buyers_before') }} as retention_rate,
        {{ exact_share('sizes.repeat_customers', 'sizes.customers') }} as repeat_rate,
        case
            when segment_months.buyers_revenue > 0
                then {{ exact_share('segment_months.top_buyers_revenue', 'segment_months.buyers_revenue') }}
        end as top_20_share,
        case when grid.is_newest then top_customers.top_20_share_to_date end as top_20_share_to_date,
        {{ exact_average('sizes.lifetime_revenue', 'nullif(sizes.customers, 0)') }} as average_lifetime_revenue,
        case
            when grid.is_complete and grid.month_before >= history.first_day and months_before.revenue > 0
                then {{ exact_share(
                    'coalesce(segment_months.revenue, 0) - months_before.revenue',
                    'months_before.revenue',
                ) }}
        end as revenue_growth,
        case
            when grid.is_complete and grid.year_before >= history.first_day and years_before.revenue > 0
                then {{ exact_share(
                    'coalesce(segment_months.revenue, 0) - years_before.revenue',
                    'years_before.revenue',
                ) }}
        end as revenue_growth_year
    from grid
    cross join history
    left join segment_months
        on
            grid.period_start = segment_months.period_start
            and grid.segment_code = segment_months.segment_code
    left join segment_months as months_before
        on
            grid.month_before = months_before.period_start
            and grid.segment_code = months_before.segment_code
    left join segment_months as years_before
        on
            grid.year_before = years_before.period_start
            and grid.segment_code = years_before.segment_code
    left join sizes
        on
            grid.eve = sizes.date_day
            and grid.segment_code = sizes.segment_code
    left join segments on grid.segment = segments.segment
    left join top_customers on grid.segment_code = top_customers.segment_code
)

select * from final
