{# A flow is what came in within four weeks; a year is 52 of them, so that weekdays meet weekdays. #}
{% set flow_days = 28 %}
{% set year_days = 364 %}
with orders_by_day as (
    select * from {{ ref('int_orders_by_day') }}
    where
        counted_orders > 0
        and date_day <= {{ as_of() }}
),

as_of_dates as (
    select max(as_of_date) as as_of_date
    from {{ ref('int_as_of_dates') }}
),

first_days as (
    select min(date_day) as first_order_day
    from orders_by_day
),

windows as (
    select
        as_of_dates.as_of_date,
        first_days.first_order_day,
        {{ add_days('as_of_dates.as_of_date', 1 - flow_days) }} as current_from,
        {{ add_days('as_of_dates.as_of_date', 1 - flow_days - year_days) }} as year_before_from,
        {{ add_days('as_of_dates.as_of_date', 0 - year_days) }} as year_before_to,
        {{ add_days('as_of_dates.as_of_date', 1 - 2 * flow_days) }} as weeks_before_from,
        {{ add_days('as_of_dates.as_of_date', 0 - flow_days) }} as weeks_before_to,
        {{ add_days('as_of_dates.as_of_date', -1) }} as eve
    from as_of_dates
    cross join first_days
),

year_before as (
    select coalesce(sum(orders_by_day.counted_orders), 0) as counted_orders
    from orders_by_day
    inner join windows
        on
            orders_by_day.date_day >= windows.year_before_from
            and orders_by_day.date_day <= windows.year_before_to
            and orders_by_day.date_day >= windows.first_order_day
            and windows.year_before_from >= windows.first_order_day
),

chosen as (
    select
        windows.*,
        year_before.counted_orders > 0 as is_year_before
    from windows
    cross join year_before
),

final as (
    select
        as_of_date,
        first_order_day,
        is_year_before,
        current_from,
        as_of_date as current_to,
        case when is_year_before then year_before_from else weeks_before_from end as reference_from,
        case when is_year_before then year_before_to else weeks_before_to end as reference_to,
        {{ add_days('as_of_date', 0 - flow_days) }} as day_reference_from,
        eve as day_reference_to
    from chosen
)

select * from final
