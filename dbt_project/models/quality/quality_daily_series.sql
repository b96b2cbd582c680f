{% set series_days = 800 %}
{% set channel_days = 365 %}
{% set most_channels = 10 %}
{% set least_channel_percent = 1 %}
with orders_by_day as (
    select * from {{ ref('int_orders_by_day') }}
    where
        counted_orders > 0
        and date_day <= {{ as_of() }}
),

customer_days as (
    select * from {{ ref('int_customer_days') }}
),

bounds as (
    select
        greatest(min(date_day), {{ add_days(as_of(), 0 - series_days) }}) as first_day,
        {{ as_of() }} as last_day
    from orders_by_day
    having count(*) > 0
),

days as (
    {{ explode_days('bounds', 'first_day', 'last_day') }}
),

channel_orders as (
    select
        channel,
        sum(counted_orders) as counted_orders
    from orders_by_day
    where date_day > {{ add_days(as_of(), 0 - channel_days) }}
    group by channel
),

channels_ranked as (
    select
        channel,
        counted_orders,
        sum(counted_orders) over () as all_orders,
        row_number() over (order by counted_orders desc, channel asc) as place
    from channel_orders
),

channels_named as (
    select
        channel,
        counted_orders,
        all_orders,
        row_number() over (order by place) as place
    from channels_ranked
    where channel is not null
),

subjects as (
    select
        'orders' as series,
        'all' as subject
    union all
    select
        'new_customers' as series,
        'all' as subject
    union all
    select
        'channel_orders' as series,
        channel as subject
    from channels_named
    where
        place <= {{ most_channels }}
        and counted_orders * 100 >= all_orders * {{ least_channel_percent }}
),

-- Who has a label for the first time by an order of their own, as it was known on that day.
values_found as (
    select
        'orders' as series,
        'all' as subject,
        date_day,
        sum(counted_orders) as value
    from orders_by_day
    group by date_day
    union all
    select
        'new_customers' as series,
        'all' as subject,
        valid_from as date_day,
        count(*) as value
    from customer_days
    where
        has_own_order
        and last_order_date is not null
        and previous_last_order_date is null
    group by valid_from
    union all
    select
        'channel_orders' as series,
        channel as subject,
        date_day,
        sum(counted_orders) as value
    from orders_by_day
    where channel is not null
    group by channel, date_day
),

final as (
    select
        subjects.series,
        subjects.subject,
        days.date_day,
        cast(coalesce(values_found.value, 0) as bigint) as value
    from subjects
    cross join days
    left join values_found
        on
            subjects.series = values_found.series
            and subjects.subject = values_found.subject
            and days.date_day = values_found.date_day
)

select * from final
