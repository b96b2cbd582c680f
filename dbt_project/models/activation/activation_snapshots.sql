with activation_days as (
    select * from {{ ref('activation_days') }}
),

timeline as (
    select * from {{ ref('customer_timeline') }}
),

customers as (
    select * from {{ ref('customers') }}
),

days as (
    select as_of_date as date_day from activation_days
    union
    select other_date as date_day from activation_days
    where other_date is not null
),

buyers as (
    select
        days.date_day,
        timeline.customer_id,
        timeline.segment,
        timeline.lifecycle_stage,
        timeline.orders,
        timeline.monetary,
        cast({{ days_between('timeline.last_order_date', 'days.date_day') }} as integer) as days_since_last_order
    from days
    inner join timeline
        on
            days.date_day >= timeline.valid_from
            and days.date_day < timeline.valid_to
),

-- Known without an order: they are today what they will be until they buy.
prospects as (
    select
        days.date_day,
        customers.customer_id,
        customers.segment,
        customers.lifecycle_stage,
        customers.orders,
        customers.monetary,
        customers.days_since_last_order
    from customers
    cross join days
    where customers.first_order_date is null
),

final as (
    select * from buyers
    union all
    select * from prospects
)

select * from final
