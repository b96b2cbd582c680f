{{ config(materialized='view') }}
{% set has_prospects = 'customers' in var('inputs') %}
with current_customers as (
    select * from {{ ref('int_customers_current') }}
),

segment_codes as (
    select distinct
        segment_code,
        segment
    from {{ ref('int_cells') }}
),

stage_codes as (
    select * from {{ ref('int_stage_codes') }}
),

{% if has_prospects %}
known_customers as (
    select * from {{ ref('stg_shop__customers') }}
),

holders as (
    select * from {{ ref('int_account_holders') }}
    where held_to = {{ far_future() }}
),

-- An account that went into another one is that person, not somebody who never bought.
known_people as (
    select distinct coalesce(holders.holder_id, known_customers.customer_id) as customer_id
    from known_customers
    left join holders on known_customers.customer_id = holders.customer_id
),
{% endif %}

buyers as (
    select
        current_customers.customer_id,
        {{ as_of() }} as as_of_date,
        current_customers.first_order_date,
        current_customers.last_order_date,
        cast({{ days_between('current_customers.last_order_date', as_of()) }} as integer) as days_since_last_order,
        current_customers.orders,
        current_customers.monetary,
        {% if var('monetary_aggregate') == 'average' %}
        current_customers.monetary as average_order_value,
        {% else %}
        cast(case
            when current_customers.orders > 0
                then {{ exact_average('current_customers.monetary', 'current_customers.orders') }}
        end as decimal(18, 4)) as average_order_value,
        {% endif %}
        cast(current_customers.r_score as integer) as r_score,
        cast(current_customers.f_score as integer) as f_score,
        cast(current_customers.m_score as integer) as m_score,
        cast(
            current_customers.r_score * 100 + current_customers.f_score * 10 + current_customers.m_score
            as {{ dbt.type_string() }}
        ) as rfm_code,
        segment_codes.segment,
        current_customers.segment_since,
        {{ cause_name('current_customers.segment_cause_code') }} as segment_cause,
        previous_segment_codes.segment as previous_segment,
        next_segment_codes.segment as next_segment,
        current_customers.next_segment_on,
        stage_codes.stage as lifecycle_stage
    from current_customers
    inner join segment_codes on current_customers.segment_code = segment_codes.segment_code
    inner join stage_codes on current_customers.stage_code = stage_codes.stage_code
    left join segment_codes as previous_segment_codes
        on current_customers.previous_segment_code = previous_segment_codes.segment_code
    left join segment_codes as next_segment_codes
        on current_customers.next_segment_code = next_segment_codes.segment_code
),

{% if has_prospects %}
-- Known, but never bought: a stage of their own, no scores and no segment.
prospects as (
    select
        known_people.customer_id,
        {{ as_of() }} as as_of_date,
        cast(null as date) as first_order_date,
        cast(null as date) as last_order_date,
        cast(null as integer) as days_since_last_order,
        0 as orders,
        cast(0 as decimal(18, 4)) as monetary,
        cast(null as decimal(18, 4)) as average_order_value,
        cast(null as integer) as r_score,
        cast(null as integer) as f_score,
        cast(null as integer) as m_score,
        cast(null as {{ dbt.type_string() }}) as rfm_code,
        cast(null as {{ dbt.type_string() }}) as segment,
        cast(null as date) as segment_since,
        cast(null as {{ dbt.type_string() }}) as segment_cause,
        cast(null as {{ dbt.type_string() }}) as previous_segment,
        cast(null as {{ dbt.type_string() }}) as next_segment,
        cast(null as date) as next_segment_on,
        stage_codes.stage as lifecycle_stage
    from known_people
    inner join stage_codes on stage_codes.clock = 'no_order'
    left join current_customers on known_people.customer_id = current_customers.customer_id
    where current_customers.customer_id is null
),

final as (
    select * from buyers
    union all
    select * from prospects
)
{% else %}
final as (
    select * from buyers
)
{% endif %}

select * from final
