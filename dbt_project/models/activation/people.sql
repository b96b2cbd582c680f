with customers as (
    select * from {{ ref('customers') }}
),

known_customers as (
    select * from {{ ref('stg_shop__customers') }}
),

final as (
    select
        customers.customer_id,
        known_customers.email,
        known_customers.phone,
        known_customers.country,
        known_customers.first_name,
        known_customers.last_name,
        known_customers.birth_date,
        {{ sha256_hex('lower(known_customers.email)') }} as email_sha256,
        {{ sha256_hex(international_phone('known_customers.phone')) }} as phone_sha256
    from customers
    left join known_customers on customers.customer_id = known_customers.customer_id
)

select * from final
