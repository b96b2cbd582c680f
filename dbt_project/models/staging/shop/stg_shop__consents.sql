with consents_checked as (
    select * from {{ ref('stg_shop__consents_checked') }}
),

final as (
    select
        customer_id,
        purpose,
        channel,
        status,
        given_at,
        given_on,
        expires_on
    from consents_checked
    where is_in_force
)

select * from final
