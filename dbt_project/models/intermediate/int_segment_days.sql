{# With a window or an average, money is not what customers brought in all; else it is the same sum. #}
{% set keeps_revenue = var('rfm_window_days') or var('monetary_aggregate') == 'average' %}
with segment_flows as (
    select * from {{ ref('int_segment_flows') }}
),

segment_ends as (
    select * from {{ ref('int_segment_ends') }}
),

{% if keeps_revenue %}
segment_lifetimes as (
    select * from {{ ref('int_segment_lifetimes') }}
),
{% endif %}

segment_codes as (
    select distinct
        segment_code,
        segment
    from {{ ref('int_cells') }}
),

bounds as (
    select
        min(date_day) as first_day,
        {{ as_of() }} as last_day
    from segment_flows
    having count(*) > 0
),

days as (
    {{ explode_days('bounds', 'first_day', 'last_day') }}
),

flows_in as (
    select
        date_day,
        to_segment_code as segment_code,
        sum(customers) as customers_in,
        sum(
            case when from_segment_code is distinct from to_segment_code then customers else 0 end
        ) as customers_entered,
        sum(monetary) as monetary_in,
        sum(orders_held) as orders_held_in,
        sum(last_order_days) as last_order_days_in,
        sum(repeat_customers) as repeat_customers_in,
        sum(orders) as orders,
        sum(revenue) as revenue
    from segment_flows
    where to_segment_code is not null
    group by date_day, to_segment_code
),

moves_out as (
    select
        date_day,
        from_segment_code as segment_code,
        sum(customers) as customers_left
    from segment_flows
    where from_segment_code is distinct from to_segment_code
    group by date_day, from_segment_code
),

daily as (
    select
        days.date_day,
        segment_codes.segment,
        segment_codes.segment_code,
        coalesce(flows_in.customers_in, 0) - coalesce(segment_ends.customers, 0) as customers_change,
        coalesce(flows_in.monetary_in, 0) - coalesce(segment_ends.monetary, 0) as monetary_change,
        {% if keeps_revenue %}
        coalesce(segment_lifetimes.revenue_change, 0) as lifetime_revenue_change,
        {% endif %}
        coalesce(flows_in.orders_held_in, 0) - coalesce(segment_ends.orders_held, 0) as orders_held_change,
        coalesce(flows_in.last_order_days_in, 0)
        - coalesce(segment_ends.last_order_days, 0) as last_order_days_change,
        coalesce(flows_in.repeat_customers_in, 0)
        - coalesce(segment_ends.repeat_customers, 0) as repeat_customers_change,
        coalesce(flows_in.customers_entered, 0) as customers_entered,
        coalesce(moves_out.customers_left, 0) as customers_left,
        coalesce(flows_in.orders, 0) as orders,
        coalesce(flows_in.revenue, 0) as revenue
    from days
    cross join segment_codes
    left join flows_in
        on
            days.date_day = flows_in.date_day
            and segment_codes.segment_code = flows_in.segment_code
    left join segment_ends
        on
            days.date_day = segment_ends.date_day
            and segment_codes.segment_code = segment_ends.segment_code
    left join moves_out
        on
            days.date_day = moves_out.date_day
            and segment_codes.segment_code = moves_out.segment_code
    {% if keeps_revenue %}
    left join segment_lifetimes
        on
            days.date_day = segment_lifetimes.date_day
            and segment_codes.segment_code = segment_lifetimes.segment_code
    {% endif %}
),

final as (
    select
        date_day,
        segment_code,
        segment,
        cast(sum(customers_change) over segment_so_far as bigint) as customers,
        cast(sum(monetary_change) over segment_so_far as decimal(18, 4)) as monetary,
        cast(
            sum({{ 'lifetime_revenue_change' if keeps_revenue else 'monetary_change' }}) over segment_so_far
            as decimal(18, 4)
        ) as lifetime_revenue,
        cast(sum(orders_held_change) over segment_so_far as bigint) as orders_held,
        cast(sum(last_order_days_change) over segment_so_far as bigint) as last_order_days,
        cast(sum(repeat_customers_change) over segment_so_far as bigint) as repeat_customers,
        cast(customers_entered as bigint) as customers_entered,
        cast(customers_left as bigint) as customers_left,
        cast(orders as bigint) as orders,
        cast(revenue as decimal(18, 4)) as revenue
    from daily
    window
        segment_so_far as (
            partition by segment_code order by date_day
            rows between unbounded preceding and current row
        )
)

select * from final
