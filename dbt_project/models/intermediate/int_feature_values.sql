{% set measures = {
    'recency': 'recency', 'frequency': 'frequency', 'monetary': 'monetary',
} %}
with customer_days as (
    select * from {{ ref('int_customer_days') }}
),

current_customers as (
    select * from {{ ref('int_customers_current') }}
    where orders > 0
),

scorecard_in_force as (
    select calibrated_on
    from {{ ref('int_scorecards') }}
    where
        valid_from <= {{ as_of() }}
        and valid_to > {{ as_of() }}
),

orders as (
    select
        order_date,
        gross_amount,
        items
    from {{ ref('stg_shop__orders') }}
    where
        is_counted
        and order_date <= {{ as_of() }}
),

flow_windows as (
    select * from {{ ref('int_flow_windows') }}
),

-- The population that the scorecard was cut on, and the same kind of people today.
reference_states as (
    select
        {{ days_between('customer_days.last_order_date', 'scorecard_in_force.calibrated_on') }} as recency,
        customer_days.orders as frequency,
        customer_days.monetary
    from customer_days
    inner join scorecard_in_force
        on
            customer_days.valid_from <= scorecard_in_force.calibrated_on
            and customer_days.valid_to > scorecard_in_force.calibrated_on
    where
        customer_days.last_order_date is not null
        and customer_days.orders > 0
),

current_states as (
    select
        {{ days_between('last_order_date', as_of()) }} as recency,
        orders as frequency,
        monetary
    from current_customers
),

orders_in_windows as (
    select
        orders.gross_amount,
        orders.items,
        orders.order_date >= flow_windows.reference_from
        and orders.order_date <= flow_windows.reference_to as is_flow_reference,
        orders.order_date >= flow_windows.current_from as is_flow_current,
        orders.order_date >= flow_windows.day_reference_from
        and orders.order_date <= flow_windows.day_reference_to as is_day_reference,
        orders.order_date = flow_windows.as_of_date as is_day_current
    from orders
    inner join flow_windows
        on
            orders.order_date >= flow_windows.day_reference_from
            or (
                orders.order_date >= flow_windows.reference_from
                and orders.order_date <= flow_windows.reference_to
            )
),

counted as (
    {% for feature, column in measures.items() %}
    select
        '{{ feature }}' as feature,
        'scorecard' as comparison,
        cast({{ column }} as decimal(18, 4)) as value,
        count(*) as reference_count,
        0 as current_count
    from reference_states
    group by {{ column }}
    union all
    select
        '{{ feature }}' as feature,
        'scorecard' as comparison,
        cast({{ column }} as decimal(18, 4)) as value,
        0 as reference_count,
        count(*) as current_count
    from current_states
    group by {{ column }}
    union all
    {% endfor %}
    select
        'order_value' as feature,
        'flow' as comparison,
        gross_amount as value,
        count(*) filter (where is_flow_reference) as reference_count,
        count(*) filter (where is_flow_current) as current_count
    from orders_in_windows
    group by gross_amount
    union all
    select
        'order_value' as feature,
        'day' as comparison,
        gross_amount as value,
        count(*) filter (where is_day_reference) as reference_count,
        count(*) filter (where is_day_current) as current_count
    from orders_in_windows
    group by gross_amount
    union all
    select
        'items' as feature,
        'flow' as comparison,
        cast(items as decimal(18, 4)) as value,
        count(*) filter (where is_flow_reference) as reference_count,
        count(*) filter (where is_flow_current) as current_count
    from orders_in_windows
    where items is not null
    group by items
),

final as (
    select
        feature,
        comparison,
        value,
        cast(sum(reference_count) as bigint) as reference_count,
        cast(sum(current_count) as bigint) as current_count
    from counted
    group by feature, comparison, value
    having sum(reference_count) + sum(current_count) > 0
)

select * from final
