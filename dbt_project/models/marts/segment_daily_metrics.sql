with segment_days as (
    select * from {{ ref('int_segment_days') }}
),

totals as (
    select
        *,
        sum(customers) over (partition by date_day) as all_customers,
        sum(monetary) over (partition by date_day) as all_monetary,
        sum(revenue) over (partition by date_day) as all_revenue
    from segment_days
),

final as (
    select
        date_day,
        segment,
        customers,
        cast(customers / nullif(cast(all_customers as decimal(18, 4)), 0) as decimal(18, 6)) as customer_share,
        customers_entered,
        customers_left,
        cast(
            customers_left / nullif(cast(customers - customers_entered + customers_left as decimal(18, 4)), 0)
            as decimal(18, 6)
        ) as share_left,
        monetary,
        cast(monetary / nullif(all_monetary, 0) as decimal(18, 6)) as monetary_share,
        orders,
        revenue,
        cast(revenue / nullif(all_revenue, 0) as decimal(18, 6)) as revenue_share,
        cast(revenue / nullif(cast(orders as decimal(18, 4)), 0) as decimal(18, 4)) as average_order_value
    from totals
)

select * from final
