{% set input = raw_input('orders') %}
with source as (
    select * from {{ raw_rows(input) }}
),

final as (
    select
        {{ raw_origin(input) }},
        {{ raw_batch(input) }} as batch,
        {{ raw_text(input, 'order_id') }} as order_id,
        {{ raw_text(input, 'customer_id', required=true) }} as customer_id,
        {{ raw_text(input, 'status') }} as status,
        {{ raw_text(input, 'currency') }} as currency,
        {{ raw_text(input, 'channel') }} as channel,
        {{ raw_number(input, 'amount', required=true) }},
        {{ raw_number(input, 'refunded_amount') }},
        {{ raw_number(input, 'cost') }},
        {{ raw_number(input, 'items') }},
        {{ raw_time(input, 'ordered_at', required=true) }},
        {{ raw_time(input, 'updated_at') }}
    from source
    {% if input_settings('orders') is none %}
    where false
    {% endif %}
)

select * from final
