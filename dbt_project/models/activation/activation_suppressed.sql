with suppressions as (
    select * from {{ ref('stg_shop__suppressions') }}
),

people as (
    select * from {{ ref('people') }}
),

holders as (
    select * from {{ ref('int_account_holders') }}
    where held_to = {{ far_future() }}
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
        people.customer_id,
        suppressions.purpose,
        suppressions.added_on
    from suppressions
    inner join people on suppressions.value = people.email_sha256
    where suppressions.kind = 'email_sha256'
),

by_phone as (
    select
        people.customer_id,
        suppressions.purpose,
        suppressions.added_on
    from suppressions
    inner join people on suppressions.value = people.phone_sha256
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
