with audiences_given as (
    select * from {{ ref('audiences') }}
    where preset in ('*', '{{ var("segment_preset") }}')
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

-- The days of the log, the eve of the first, and those that an audience compares them with.
reach as (
    select
        {{ add_days(as_of(), '0 - ' ~ limit_of('events_days') ~ ' - coalesce(max(within_days), 0)') }} as first_day,
        {{ add_days(as_of(), '1 + coalesce(max(within_days), 0)') }} as end_day
    from audiences_given
),

buyers as (
    select
        timeline.customer_id,
        greatest(timeline.valid_from, reach.first_day) as valid_from,
        least(timeline.valid_to, reach.end_day) as valid_to,
        timeline.segment,
        timeline.lifecycle_stage,
        timeline.orders,
        timeline.monetary,
        timeline.last_order_date,
        timeline.cause
    from timeline
    inner join reach
        on
            timeline.valid_to > reach.first_day
            and timeline.valid_from < reach.end_day
),

bought as (
    select
        customer_id,
        min(valid_from) as bought_from
    from buyers
    group by customer_id
),

known as (
    select
        customers.customer_id,
        greatest(coalesce(known_customers.created_on, reach.first_day), reach.first_day) as known_from,
        coalesce(bought.bought_from, reach.end_day) as bought_from,
        stages.stage as lifecycle_stage
    from customers
    inner join known_customers on customers.customer_id = known_customers.customer_id
    cross join reach
    cross join stages
    left join bought on customers.customer_id = bought.customer_id
),

-- Known and without an order, until the first one.
prospects as (
    select
        customer_id,
        known_from as valid_from,
        bought_from as valid_to,
        cast(null as {{ dbt.type_string() }}) as segment,
        lifecycle_stage,
        0 as orders,
        cast(0 as decimal(18, 4)) as monetary,
        cast(null as date) as last_order_date,
        'created' as cause
    from known
    where known_from < bought_from
),

final as (
    select * from buyers
    union all
    select * from prospects
)

select * from final
