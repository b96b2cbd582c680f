with segment_days as (
    select * from {{ ref('int_segment_days') }}
),

segment_channels as (
    select * from {{ ref('int_segment_channels') }}
),

segments as (
    select * from {{ ref('segments') }}
    where preset = '{{ var("segment_preset") }}'
),

running as (
    select
        *,
        {{ days_between(far_past(), 'date_day') }} as day_number,
        row_number() over (partition by segment_code order by date_day) as days_of_history,
        sum(revenue) over (
            partition by segment_code order by date_day rows between 27 preceding and current row
        ) as revenue_28_days,
        sum(revenue) over (
            partition by segment_code order by date_day rows between 55 preceding and 28 preceding
        ) as revenue_28_days_before
    from segment_days
),

totals as (
    select
        *,
        date_day = max(date_day) over () as is_newest,
        sum(customers) over (partition by date_day) as all_customers,
        sum(revenue_28_days) over (partition by date_day) as all_revenue_28_days
    from running
),

final as (
    select
        totals.date_day,
        totals.segment,
        segments.label,
        segments.description,
        {{ exact_average(
            'totals.customers * totals.day_number - totals.last_order_days',
            'nullif(totals.customers, 0)',
        ) }} as average_days_since_last_order,
        {{ exact_average('totals.orders_held', 'nullif(totals.customers, 0)') }} as average_orders,
        {{ exact_average('totals.monetary', 'nullif(totals.customers, 0)') }} as average_monetary,
        {% if var('monetary_aggregate') == 'average' %}
        {{ exact_average('totals.monetary', 'nullif(totals.customers, 0)') }} as average_order_value,
        {% else %}
        {{ exact_average('totals.monetary', 'nullif(totals.orders_held, 0)') }} as average_order_value,
        {% endif %}
        totals.customers,
        {{ exact_share('totals.customers', 'totals.all_customers') }} as customer_share,
        cast(totals.revenue_28_days as decimal(18, 4)) as revenue_28_days,
        {{ exact_share('totals.revenue_28_days', 'totals.all_revenue_28_days') }} as revenue_28_days_share,
        case
            when totals.days_of_history >= 56 and totals.revenue_28_days_before > 0
                then {{ exact_share(
                    'totals.revenue_28_days - totals.revenue_28_days_before',
                    'totals.revenue_28_days_before',
                ) }}
        end as revenue_growth,
        segments.needs,
        segments.channel,
        case when totals.is_newest then segment_channels.order_channel end as order_channel,
        case when totals.is_newest then segment_channels.order_channel_share end as order_channel_share,
        segments.content,
        segments.objections,
        segments.messaging,
        segments.purpose,
        segments.action,
        segments.objective,
        segments.objective_metric,
        segments.objective_target
    from totals
    left join segments on totals.segment = segments.segment
    left join segment_channels on totals.segment_code = segment_channels.segment_code
)

select * from final
