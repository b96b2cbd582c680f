{% set input = raw_input('refunds') %}
with source as (
    select * from {{ raw_rows(input) }}
),

final as (
    select
        {{ raw_origin(input) }},
        {{ raw_text(input, 'refund_id') }} as refund_id,
        {{ raw_text(input, 'order_id', required=true) }} as order_id,
        {{ raw_number(input, 'amount', required=true) }},
        {{ raw_time(input, 'refunded_at', required=true) }}
    from source
    {% if input_settings('refunds') is none %}
    where false
    {% endif %}
)

select * from final
