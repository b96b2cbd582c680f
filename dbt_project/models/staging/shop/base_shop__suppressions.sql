{% set input = raw_input('suppressions') %}
with source as (
    select * from {{ raw_rows(input) }}
),

final as (
    select
        {{ raw_origin(input) }},
        {{ raw_text(input, 'type', required=true) }} as type,
        {{ raw_text(input, 'value', required=true) }} as value,
        {{ raw_text(input, 'purpose') }} as purpose,
        {{ raw_text(input, 'reason') }} as reason,
        {{ raw_time(input, 'added_at') }}
    from source
    {% if input_settings('suppressions') is none %}
    where false
    {% endif %}
)

select * from final
