with customer_merges_checked as (
    select * from {{ ref('stg_shop__customer_merges_checked') }}
),

final as (
    select
        customer_id,
        merged_into,
        merge_date
    from customer_merges_checked
    where outcome = 'accepted'
)

select * from final
