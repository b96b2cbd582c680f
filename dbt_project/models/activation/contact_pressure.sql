with contacts as (
    select * from {{ ref('activation_contacts') }}
),

caps as (
    select * from {{ ref('contact_caps') }}
),

as_of_dates as (
    select distinct as_of_date from {{ ref('activation_days') }}
    where as_of_date >= {{ add_days(as_of(), -1) }}
),

counted as (
    select
        as_of_dates.as_of_date,
        contacts.customer_id,
        caps.channel,
        caps.days,
        caps.max_contacts,
        count(*) as contacts
    from contacts
    inner join caps on caps.channel in ('*', contacts.channel)
    inner join as_of_dates
        on
            contacts.contact_date <= as_of_dates.as_of_date
            and contacts.contact_date > {{ add_days('as_of_dates.as_of_date', '0 - caps.days') }}
    group by
        as_of_dates.as_of_date,
        contacts.customer_id,
        caps.channel,
        caps.days,
        caps.max_contacts
),

final as (
    select
        customer_id,
        as_of_date,
        channel,
        days,
        cast(contacts as integer) as contacts,
        max_contacts,
        contacts >= max_contacts as is_at_cap
    from counted
)

select * from final
