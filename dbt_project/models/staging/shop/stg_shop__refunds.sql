with refunds_checked as (
    select * from {{ ref('stg_shop__refunds_checked') }}
),

final as (
    select
        refund_id,
        order_id,
        refund_date,
        amount
    from refunds_checked
    where outcome = 'accepted'
)

select * from final
