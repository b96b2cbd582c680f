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

snapshots as (
    select * from {{ ref('activation_snapshots') }}
),

as_of_dates as (
    select distinct as_of_date from {{ ref('activation_days') }}
),

holders as (
    select * from {{ ref('int_account_holders') }}
    where held_to = {{ far_future() }}
),

last_words as (
    select
        as_of_dates.as_of_date,
        contacts.customer_id,
        max(contacts.contact_date) as contact_date,
        min(audiences_given.archive_after_days) as archive_after_days
    from contacts
    inner join campaigns on contacts.campaign_id = campaigns.campaign_id
    inner join audiences_given on campaigns.audience = audiences_given.audience
    inner join as_of_dates on contacts.contact_date <= as_of_dates.as_of_date
    group by
        as_of_dates.as_of_date,
        contacts.customer_id
),

answers as (
    select
        coalesce(holders.holder_id, responses.customer_id) as customer_id,
        responses.response_date
    from responses
    left join holders on responses.customer_id = holders.customer_id
),

-- As it was known that day: who answers later was archived until then.
answered as (
    select distinct
        last_words.as_of_date,
        last_words.customer_id
    from last_words
    inner join answers
        on
            last_words.customer_id = answers.customer_id
            and answers.response_date between last_words.contact_date and last_words.as_of_date
),

-- Neither answered nor bought since the last message that said it was the last.
final as (
    select
        last_words.as_of_date,
        last_words.customer_id,
        {{ add_days('last_words.contact_date', 'last_words.archive_after_days') }} as archived_from
    from last_words
    inner join snapshots
        on
            last_words.customer_id = snapshots.customer_id
            and last_words.as_of_date = snapshots.date_day
    left join answered
        on
            last_words.customer_id = answered.customer_id
            and last_words.as_of_date = answered.as_of_date
    where
        answered.customer_id is null
        and (
            snapshots.days_since_last_order is null
            or snapshots.days_since_last_order
            > {{ days_between('last_words.contact_date', 'last_words.as_of_date') }}
        )
)

select * from final
