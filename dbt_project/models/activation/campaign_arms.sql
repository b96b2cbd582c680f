with assignments as (
    select * from {{ ref('campaign_assignments') }}
),

customer_days as (
    select * from {{ ref('int_customer_days') }}
),

contacts as (
    select * from {{ ref('activation_contacts') }}
),

responses as (
    select * from {{ ref('stg_shop__responses') }}
    where kind in ('open', 'click')
),

holders as (
    select * from {{ ref('int_account_holders') }}
    where held_to = {{ far_future() }}
),

-- What an account bought before it was merged was bought by the person who is there today.
purchases as (
    select
        coalesce(holders.holder_id, customer_days.customer_id) as customer_id,
        customer_days.valid_from as date_day,
        customer_days.day_orders as orders,
        customer_days.day_revenue as revenue
    from customer_days
    left join holders on customer_days.customer_id = holders.customer_id
),

bought as (
    select
        assignments.campaign_id,
        assignments.period,
        assignments.customer_id,
        sum(purchases.orders) filter (where purchases.date_day <= assignments.last_day) as orders,
        sum(purchases.orders) filter (where purchases.date_day > assignments.last_day) as later_orders,
        cast(
            sum(purchases.revenue) filter (where purchases.date_day <= assignments.last_day) as decimal(18, 4)
        ) as revenue
    from assignments
    inner join purchases
        on
            assignments.customer_id = purchases.customer_id
            and purchases.date_day between assignments.first_day and assignments.retained_to
    group by
        assignments.campaign_id,
        assignments.period,
        assignments.customer_id
),

answers as (
    select
        coalesce(holders.holder_id, responses.customer_id) as customer_id,
        responses.campaign_id,
        responses.response_date
    from responses
    left join holders on responses.customer_id = holders.customer_id
),

visited as (
    select distinct
        assignments.campaign_id,
        assignments.customer_id
    from assignments
    inner join answers
        on
            assignments.campaign_id = answers.campaign_id
            and assignments.customer_id = answers.customer_id
            and answers.response_date between assignments.first_day and assignments.last_day
    where assignments.period = 'campaign'
),

contacted as (
    select distinct
        campaign_id,
        customer_id
    from contacts
),

-- By intention to treat: whoever was assigned counts, reached or not. Who ordered nothing has no
-- number of orders rather than 0: DuckDB 2.0 takes a sum that may be 0 instead for 0 throughout.
per_customer as (
    select
        assignments.campaign_id,
        assignments.period,
        assignments.arm,
        assignments.segment,
        assignments.m_score,
        bought.orders,
        bought.later_orders,
        bought.revenue,
        visited.customer_id is not null and assignments.period = 'campaign' as is_visitor,
        contacted.customer_id is not null and assignments.period = 'campaign' as is_contacted
    from assignments
    left join bought
        on
            assignments.campaign_id = bought.campaign_id
            and assignments.period = bought.period
            and assignments.customer_id = bought.customer_id
    left join visited
        on
            assignments.campaign_id = visited.campaign_id
            and assignments.customer_id = visited.customer_id
    left join contacted
        on
            assignments.campaign_id = contacted.campaign_id
            and assignments.customer_id = contacted.customer_id
),

final as (
    select
        campaign_id,
        period,
        arm,
        segment,
        m_score,
        cast(count(*) as bigint) as customers,
        cast(count(case when is_contacted then 1 end) as bigint) as contacted,
        cast(count(case when is_visitor then 1 end) as bigint) as visitors,
        cast(count(case when orders > 0 then 1 end) as bigint) as converters,
        cast(coalesce(sum(orders), 0) as bigint) as orders,
        cast(coalesce(sum(revenue), 0) as decimal(18, 4)) as revenue,
        cast(coalesce(sum(revenue * revenue), 0) as decimal(38, 8)) as revenue_squares,
        cast(count(case when later_orders > 0 then 1 end) as bigint) as retained
    from per_customer
    group by
        campaign_id,
        period,
        arm,
        segment,
        m_score
)

select * from final
