with activation_days as (
    select * from {{ ref('activation_days') }}
),

timeline as (
    select * from {{ ref('customer_timeline') }}
),

customers as (
    select * from {{ ref('customers') }}
),

known_customers as (
    select * from {{ ref('stg_shop__customers') }}
),

stages as (
    select * from {{ ref('int_stage_codes') }}
    where clock = 'no_order'
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
        timeline.m_score,
        cast({{ days_between('timeline.last_order_date', 'days.date_day') }} as integer) as days_since_last_order
    from days
    inner join timeline
        on
            days.date_day >= timeline.valid_from
            and days.date_day < timeline.valid_to
),

-- Known, and without an order by that day, whatever came later.
prospects as (
    select
        days.date_day,
        customers.customer_id,
        cast(null as {{ dbt.type_string() }}) as segment,
        stages.stage as lifecycle_stage,
        0 as orders,
        cast(0 as decimal(18, 4)) as monetary,
        cast(null as integer) as m_score,
        cast(null as integer) as days_since_last_order
    from customers
    inner join known_customers on customers.customer_id = known_customers.customer_id
    cross join days
    cross join stages
    left join buyers
        on
            customers.customer_id = buyers.customer_id
            and days.date_day = buyers.date_day
    where
        buyers.customer_id is null
        and (known_customers.created_on is null or known_customers.created_on <= days.date_day)
),

final as (
    select * from buyers
    union all
    select * from prospects
)

select * from final
