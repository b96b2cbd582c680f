{% set input = raw_input('customers') %}
with source as (
    select * from {{ raw_rows(input) }}
),

final as (
    select
        {{ raw_origin(input) }},
        {{ raw_text(input, 'customer_id', required=true) }} as customer_id,
        {{ raw_text(input, 'email') }} as email,
        {{ raw_text(input, 'phone') }} as phone,
        {{ raw_text(input, 'country') }} as country,
        {{ raw_text(input, 'region') }} as region,
        {{ raw_text(input, 'first_name') }} as first_name,
        {{ raw_text(input, 'last_name') }} as last_name,
        {{ raw_text(input, 'gender') }} as gender,
        {{ raw_text(input, 'consent_email') }} as consent_email,
        {{ raw_text(input, 'consent_sms') }} as consent_sms,
        {{ raw_text(input, 'consent_ads') }} as consent_ads,
        {{ raw_time(input, 'birth_date') }},
        {{ raw_time(input, 'created_at') }},
        {{ raw_time(input, 'updated_at') }}
    from source
    {% if input_settings('customers') is none %}
    where false
    {% endif %}
)

select * from final
