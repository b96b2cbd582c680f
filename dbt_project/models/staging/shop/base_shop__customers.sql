{% set input = raw_input('customers') %}
with source as (
    select * from {{ raw_relation('customers') }}
),

final as (
    select
        {{ raw_origin(input) }},
        {{ raw_text(input, 'customer_id', required=true) }} as customer_id
    from source
    {% if input_settings('customers') is none %}
    where false
    {% endif %}
)

select * from final
