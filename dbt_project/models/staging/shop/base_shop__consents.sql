{% set input = raw_input('consents') %}
with source as (
    select * from {{ raw_rows(input) }}
),

final as (
    select
        {{ raw_origin(input) }},
        {{ raw_text(input, 'customer_id', required=true) }} as customer_id,
        {{ raw_text(input, 'purpose', required=true) }} as purpose,
        {{ raw_text(input, 'channel', required=true) }} as channel,
        {{ raw_text(input, 'status', required=true) }} as status,
        {{ raw_time(input, 'given_at', required=true) }},
        {{ raw_time(input, 'expires_at') }}
    from source
    {% if input_settings('consents') is none %}
    where false
    {% endif %}
)

select * from final
