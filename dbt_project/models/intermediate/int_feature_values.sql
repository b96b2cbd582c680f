{% set state_features = ['recency', 'frequency', 'monetary'] %}
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

-- No window begins before this day, whatever the newest day is; a constant spares the older rows
-- their checks.
orders as (
    select
        order_date,
        gross_amount,
        items
    from {{ ref('stg_shop__orders') }}
    where
        is_counted
        and order_date <= {{ as_of() }}
        and order_date > {{ add_days(requested_day(), -400) }}
),

flow_windows as (
    select * from {{ ref('int_flow_windows') }}
),

-- The population that the scorecard was cut on, and the same kind of people today.
states as (
    select
        true as is_reference,
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
    union all
    select
        false as is_reference,
        {{ days_between('last_order_date', as_of()) }} as recency,
        orders as frequency,
        monetary
    from current_customers
),

{% for feature in state_features %}
{{ feature }}_values as (
    select
        cast({{ feature }} as decimal(18, 4)) as value,
        count(*) filter (where is_reference) as reference_count,
        count(*) filter (where not is_reference) as current_count
    from states
    group by {{ feature }}
),

{% endfor %}
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

order_values as (
    select
        gross_amount as value,
        count(*) filter (where is_flow_reference) as flow_reference_count,
        count(*) filter (where is_flow_current) as flow_current_count,
        count(*) filter (where is_day_reference) as day_reference_count,
        count(*) filter (where is_day_current) as day_current_count
    from orders_in_windows
    group by gross_amount
),

items_values as (
    select
        cast(items as decimal(18, 4)) as value,
        count(*) filter (where is_flow_reference) as reference_count,
        count(*) filter (where is_flow_current) as current_count
    from orders_in_windows
    where items is not null
    group by items
),

counted as (
    {% for feature in state_features %}
    select
        '{{ feature }}' as feature,
        'scorecard' as comparison,
        value,
        reference_count,
        current_count,
        sum(reference_count) over up_to_value as reference_up_to,
        sum(current_count) over up_to_value as current_up_to
    from {{ feature }}_values
    window up_to_value as (order by value rows between unbounded preceding and current row)
    union all
    {% endfor %}
    {% for comparison in ['flow', 'day'] %}
    select
        'order_value' as feature,
        '{{ comparison }}' as comparison,
        value,
        {{ comparison }}_reference_count as reference_count,
        {{ comparison }}_current_count as current_count,
        sum({{ comparison }}_reference_count) over up_to_value as reference_up_to,
        sum({{ comparison }}_current_count) over up_to_value as current_up_to
    from order_values
    window up_to_value as (order by value rows between unbounded preceding and current row)
    union all
    {% endfor %}
    select
        'items' as feature,
        'flow' as comparison,
        value,
        reference_count,
        current_count,
        sum(reference_count) over up_to_value as reference_up_to,
        sum(current_count) over up_to_value as current_up_to
    from items_values
    window up_to_value as (order by value rows between unbounded preceding and current row)
),

final as (
    select
        feature,
        comparison,
        value,
        cast(reference_count as bigint) as reference_count,
        cast(current_count as bigint) as current_count,
        cast(reference_up_to as bigint) as reference_up_to,
        cast(current_up_to as bigint) as current_up_to
    from counted
    where
        reference_count > 0
        or current_count > 0
)

select * from final
