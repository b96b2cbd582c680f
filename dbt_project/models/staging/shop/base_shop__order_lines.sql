{% set input = raw_input('order_lines') %}
with source as (
    select * from {{ raw_rows(input) }}
),

final as (
    select
        {{ raw_origin(input) }},
        {{ raw_text(input, 'order_id', required=true) }} as order_id,
        {{ raw_text(input, 'customer_id', required=true) }} as customer_id,
        {{ raw_text(input, 'product_id') }} as product_id,
        {{ raw_text(input, 'category') }} as category,
        {{ raw_number(input, 'quantity', required=true) }},
        {{ raw_number(input, 'unit_price', required=true) }},
        {{ raw_number(input, 'discount') }},
        {{ raw_time(input, 'ordered_at', required=true) }}
    from source
    {% if input_settings('order_lines') is none %}
    where false
    {% endif %}
)

select * from final
