{% if var('rfm_window_days') or var('monetary_aggregate') == 'average' %}
with segment_moves as (
    select * from {{ ref('int_segment_moves') }}
),

customer_days as (
    select * from {{ ref('int_customer_days') }}
),

moves_in_order as (
    select
        customer_id,
        date_day as stay_from,
        lead(date_day, 1, {{ far_future() }}) over (partition by customer_id order by date_day) as stay_to,
        from_segment_code,
        to_segment_code as segment_code
    from segment_moves
),

-- What was known of a customer before the first segment belongs to it.
stays as (
    select
        *,
        case when from_segment_code is null then {{ far_past() }} else stay_from end as money_from
    from moves_in_order
    where segment_code is not null
),

money_in_stays as (
    select
        stays.customer_id,
        stays.stay_from,
        stays.segment_code,
        greatest(customer_days.valid_from, stays.stay_from) as date_day,
        customer_days.known_revenue
    from customer_days
    inner join stays
        on
            customer_days.customer_id = stays.customer_id
            and customer_days.valid_from >= stays.money_from
            and customer_days.valid_from < stays.stay_to
),

stay_sums as (
    select
        customer_id,
        stay_from,
        sum(known_revenue) as revenue
    from money_in_stays
    group by customer_id, stay_from
),

-- A customer brings into a segment what was spent before, and takes all of it along.
stays_valued as (
    select
        stays.*,
        sum(coalesce(stay_sums.revenue, 0)) over (
            partition by stays.customer_id order by stays.stay_from
        ) as revenue_at_end,
        coalesce(stay_sums.revenue, 0) as revenue
    from stays
    left join stay_sums
        on
            stays.customer_id = stay_sums.customer_id
            and stays.stay_from = stay_sums.stay_from
),

changes as (
    select
        date_day,
        segment_code,
        known_revenue as revenue_change
    from money_in_stays
    union all
    select
        stay_from as date_day,
        segment_code,
        revenue_at_end - revenue as revenue_change
    from stays_valued
    union all
    select
        stay_to as date_day,
        segment_code,
        -revenue_at_end as revenue_change
    from stays_valued
    where stay_to < {{ far_future() }}
),

final as (
    select
        date_day,
        segment_code,
        cast(sum(revenue_change) as decimal(18, 4)) as revenue_change
    from changes
    group by date_day, segment_code
)
{% else %}
with final as (
    select
        cast(null as date) as date_day,
        cast(null as smallint) as segment_code,
        cast(null as decimal(18, 4)) as revenue_change
    where false
)
{% endif %}

select * from final
