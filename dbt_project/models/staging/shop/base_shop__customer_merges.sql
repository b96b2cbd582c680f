{% set input = raw_input('customer_merges') %}
with source as (
    select * from {{ raw_rows(input) }}
),

final as (
    select
        {{ raw_origin(input) }},
        {{ raw_text(input, 'customer_id', required=true) }} as customer_id,
        {{ raw_text(input, 'merged_into', required=true) }} as merged_into,
        {{ raw_time(input, 'merged_at') }}
    from source
    {% if input_settings('customer_merges') is none %}
    where false
    {% endif %}
)

select * from final
