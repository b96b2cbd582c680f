{{ config(materialized='view') }}

with customer_days as (
    select * from {{ ref('int_customer_days') }}
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

gaps_asked as (
    select distinct after_gap_days
    from lifecycle_stages
    where clock = 'since_return'
),

gaps as (
    select
        customer_id,
        valid_from as returned_on,
        {{ days_between('previous_last_order_date', 'valid_from') }} as gap_days
    from customer_days
    where
        has_own_order
        and previous_last_order_date is not null
),

final as (
    select
        gaps.customer_id,
        gaps.returned_on,
        max(gaps_asked.after_gap_days) as gap_reached
    from gaps
    inner join gaps_asked on gaps.gap_days >= gaps_asked.after_gap_days
    group by gaps.customer_id, gaps.returned_on
)

select * from final
