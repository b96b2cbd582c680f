with audiences_given as (
    select * from {{ ref('audiences') }}
    where archive_after_days is not null
),

campaigns as (
    select * from {{ ref('stg_shop__campaigns') }}
),

contacts as (
    select * from {{ ref('activation_contacts') }}
),

responses as (
    select * from {{ ref('stg_shop__responses') }}
    where kind in ('open', 'click', 'conversion')
),

customers as (
    select * from {{ ref('customers') }}
),

holders as (
    select * from {{ ref('int_account_holders') }}
    where held_to = {{ far_future() }}
),

last_words as (
    select
        contacts.customer_id,
        max(contacts.contact_date) as contact_date,
        min(audiences_given.archive_after_days) as archive_after_days
    from contacts
    inner join campaigns on contacts.campaign_id = campaigns.campaign_id
    inner join audiences_given on campaigns.audience = audiences_given.audience
    group by contacts.customer_id
),

last_answers as (
    select
        coalesce(holders.holder_id, responses.customer_id) as customer_id,
        max(responses.response_date) as response_date
    from responses
    left join holders on responses.customer_id = holders.customer_id
    group by coalesce(holders.holder_id, responses.customer_id)
),

-- Neither answered nor bought since the last message that said it was the last.
final as (
    select
        last_words.customer_id,
        {{ add_days('last_words.contact_date', 'last_words.archive_after_days') }} as archived_from
    from last_words
    inner join customers on last_words.customer_id = customers.customer_id
    left join last_answers on last_words.customer_id = last_answers.customer_id
    where
        (last_answers.response_date is null or last_answers.response_date < last_words.contact_date)
        and (customers.last_order_date is null or customers.last_order_date < last_words.contact_date)
)

select * from final
