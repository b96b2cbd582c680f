with suppressions_given as (
    select * from {{ ref('stg_shop__suppressions') }}
),

requirements as (
    select * from {{ ref('consent_requirements') }}
),

known_customers as (
    select * from {{ ref('stg_shop__customers') }}
),

holders as (
    select * from {{ ref('int_account_holders') }}
    where held_to = {{ far_future() }}
),

purposes as (
    select distinct purpose from requirements
),

-- A purpose that no message asks for would keep nobody out of anything, so it counts as all.
suppressions as (
    select
        suppressions_given.kind,
        suppressions_given.value,
        suppressions_given.added_on,
        coalesce(purposes.purpose, 'all') as purpose
    from suppressions_given
    left join purposes on suppressions_given.purpose = purposes.purpose
),

-- The records of all accounts of a person: an address stays suppressed when its account is merged.
records as (
    select
        coalesce(holders.holder_id, known_customers.customer_id) as customer_id,
        {{ sha256_hex('lower(known_customers.email)') }} as email_sha256,
        {{ sha256_hex(international_phone('known_customers.phone')) }} as phone_sha256
    from known_customers
    left join holders on known_customers.customer_id = holders.customer_id
),

by_id as (
    select
        coalesce(holders.holder_id, suppressions.value) as customer_id,
        suppressions.purpose,
        suppressions.added_on
    from suppressions
    left join holders on suppressions.value = holders.customer_id
    where suppressions.kind = 'customer_id'
),

by_email as (
    select
        records.customer_id,
        suppressions.purpose,
        suppressions.added_on
    from suppressions
    inner join records on suppressions.value = records.email_sha256
    where suppressions.kind = 'email_sha256'
),

by_phone as (
    select
        records.customer_id,
        suppressions.purpose,
        suppressions.added_on
    from suppressions
    inner join records on suppressions.value = records.phone_sha256
    where suppressions.kind = 'phone_sha256'
),

found as (
    select * from by_id
    union all
    select * from by_email
    union all
    select * from by_phone
),

final as (
    select
        customer_id,
        purpose,
        min(coalesce(added_on, {{ far_past() }})) as suppressed_from
    from found
    group by
        customer_id,
        purpose
)

select * from final
