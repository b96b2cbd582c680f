with contacts as (
    select * from {{ ref('stg_shop__contacts') }}
),

holders as (
    select * from {{ ref('int_account_holders') }}
    where held_to = {{ far_future() }}
),

final as (
    select
        coalesce(holders.holder_id, contacts.customer_id) as customer_id,
        contacts.channel,
        contacts.campaign_id,
        contacts.contact_date
    from contacts
    left join holders on contacts.customer_id = holders.customer_id
    where contacts.contact_date <= {{ as_of() }}
)

select * from final
