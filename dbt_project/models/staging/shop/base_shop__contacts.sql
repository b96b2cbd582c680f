{% set input = raw_input('contacts') %}
with source as (
    select * from {{ raw_rows(input) }}
),

final as (
    select
        {{ raw_origin(input) }},
        {{ raw_text(input, 'customer_id', required=true) }} as customer_id,
        {{ raw_text(input, 'channel', required=true) }} as channel,
        {{ raw_text(input, 'campaign_id') }} as campaign_id,
        {{ raw_time(input, 'contacted_at', required=true) }}
    from source
    {% if input_settings('contacts') is none %}
    where false
    {% endif %}
)

select * from final
