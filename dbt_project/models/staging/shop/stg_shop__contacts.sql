with contacts_checked as (
    select * from {{ ref('stg_shop__contacts_checked') }}
),

final as (
    select
        customer_id,
        channel,
        campaign_id,
        contact_date
    from contacts_checked
    where outcome = 'accepted'
)

select * from final
