{% set input = raw_input('responses') %}
with source as (
    select * from {{ raw_rows(input) }}
),

final as (
    select
        {{ raw_origin(input) }},
        {{ raw_text(input, 'customer_id', required=true) }} as customer_id,
        {{ raw_text(input, 'kind', required=true) }} as kind,
        {{ raw_text(input, 'campaign_id') }} as campaign_id,
        {{ raw_text(input, 'channel') }} as channel,
        {{ raw_number(input, 'revenue') }},
        {{ raw_time(input, 'responded_at', required=true) }}
    from source
    {% if input_settings('responses') is none %}
    where false
    {% endif %}
)

select * from final
