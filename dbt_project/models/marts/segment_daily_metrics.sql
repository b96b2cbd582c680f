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
        {{ exact_share('customers', 'all_customers') }} as customer_share,
        customers_entered,
        customers_left,
        {{ exact_share('customers_left', 'customers - customers_entered + customers_left') }} as share_left,
        monetary,
        {{ exact_share('monetary', 'all_monetary') }} as monetary_share,
        orders,
        revenue,
        {{ exact_share('revenue', 'all_revenue') }} as revenue_share,
        {{ exact_average('revenue', 'nullif(orders, 0)') }} as average_order_value
    from totals
)

select * from final
