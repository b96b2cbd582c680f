{% set columns = {
    'channel': 'case when channel is null then 0 else counted_orders end',
    'items': 'orders_with_items',
    'cost_amount': 'orders_with_cost',
} %}
with orders_by_day as (
    select * from {{ ref('int_orders_by_day') }}
    where
        counted_orders > 0
        and date_day <= {{ as_of() }}
),

flow_windows as (
    select * from {{ ref('int_flow_windows') }}
),

in_windows as (
    select
        orders_by_day.*,
        case
            when
                orders_by_day.date_day >= flow_windows.reference_from
                and orders_by_day.date_day <= flow_windows.reference_to
                then 1
            else 0
        end as in_reference,
        case when orders_by_day.date_day >= flow_windows.current_from then 1 else 0 end as in_current
    from orders_by_day
    cross join flow_windows
),

filled as (
    {% for column, orders_filled in columns.items() %}
    select
        '{{ column }}' as column_name,
        counted_orders,
        {{ orders_filled }} as orders_filled,
        in_reference,
        in_current
    from in_windows
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

-- A column that no order of either window fills is one that the input does not have.
final as (
    select
        column_name,
        cast(sum(in_reference * counted_orders) as bigint) as reference_rows,
        cast(sum(in_reference * (counted_orders - orders_filled)) as bigint) as reference_nulls,
        cast(sum(in_current * counted_orders) as bigint) as current_rows,
        cast(sum(in_current * (counted_orders - orders_filled)) as bigint) as current_nulls
    from filled
    group by column_name
    having sum((in_reference + in_current) * orders_filled) > 0
)

select * from final
