with responses_checked as (
    select * from {{ ref('stg_shop__responses_checked') }}
),

final as (
    select
        customer_id,
        campaign_id,
        channel,
        kind,
        response_date,
        revenue
    from responses_checked
    where outcome = 'accepted'
)

select * from final
