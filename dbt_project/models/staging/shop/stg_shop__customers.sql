with customers_checked as (
    select * from {{ ref('stg_shop__customers_checked') }}
),

final as (
    select customer_id
    from customers_checked
    where outcome = 'accepted'
)

select * from final
