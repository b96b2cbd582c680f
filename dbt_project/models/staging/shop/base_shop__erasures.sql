{% set input = raw_input('erasures') %}
with source as (
    select * from {{ raw_relation('erasures') }}
),

final as (
    select
        {{ raw_origin(input) }},
        {{ raw_text(input, 'type', required=true) }} as type,
        {{ raw_text(input, 'value', required=true) }} as value,
        {{ raw_time(input, 'requested_at', required=true) }}
    from source
    {% if input_settings('erasures') is none %}
    where false
    {% endif %}
)

select * from final
