with customers_checked as (
    select * from {{ ref('stg_shop__customers_checked') }}
),

final as (
    select
        customer_id,
        email,
        phone,
        country,
        region,
        first_name,
        last_name,
        birth_date,
        gender,
        consent_email,
        consent_sms,
        consent_ads,
        created_on,
        updated_at
    from customers_checked
    where outcome = 'accepted'
)

select * from final
