{{ config(materialized='table') }}
{% set is_by_line = input_settings('order_lines') is not none %}
{% set source = 'order_lines' if is_by_line else 'orders' %}
{% set refused = ['duplicate', 'excluded', 'rejected'] %}
{% set apart = refused + ['held'] %}
with received as (
    select * from {{ ref('base_shop__' ~ source) }}
),

rows_set_apart as (
    select * from {{ ref('stg_shop__rows_set_apart') }}
),

received_parsed as (
    select
        source_file,
        {% if is_by_line %}
        {{ clean_text('quantity_text') }} as quantity_text,
        {{ clean_text('unit_price_text') }} as unit_price_text,
        {{ clean_text('discount_text') }} as discount_text,
        quantity_native,
        unit_price_native,
        discount_native
        {% else %}
        {{ clean_text('amount_text') }} as amount_text,
        amount_native
        {% endif %}
    from received
),

received_counted as (
    select
        source_file,
        count(*) as received_rows,
        {% if is_by_line %}
        sum(
            round(
                {{ number_of('quantity') }} * {{ number_of('unit_price') }}
                - coalesce({{ number_of('discount') }}, 0), 4
            )
        ) as received_amount
        {% else %}
        sum({{ number_of('amount') }}) as received_amount
        {% endif %}
    from received_parsed
    group by source_file
),

apart_counted as (
    select
        {% for outcome in apart %}
        count(*) filter (where outcome = '{{ outcome }}') as {{ outcome }}_rows,
        sum(case when outcome = '{{ outcome }}' then amount end) as {{ outcome }}_amount,
        {% endfor %}
        source_file
    from rows_set_apart
    where source = '{{ source }}'
    group by source_file
),

final as (
    select
        '{{ source }}' as source,
        received_counted.source_file as file,
        received_counted.received_rows,
        received_counted.received_rows
        {% for outcome in refused %}
        - coalesce(apart_counted.{{ outcome }}_rows, 0)
        {% endfor %} as accepted_rows,
        {% for outcome in apart %}
        coalesce(apart_counted.{{ outcome }}_rows, 0) as {{ outcome }}_rows,
        {% endfor %}
        cast(
            coalesce(received_counted.received_amount, 0)
            {% for outcome in refused %}
            - coalesce(apart_counted.{{ outcome }}_amount, 0)
            {% endfor %} as decimal(38, 4)
        ) as accepted_amount,
        {% for outcome in apart %}
        cast(coalesce(apart_counted.{{ outcome }}_amount, 0) as decimal(38, 4))
            as {{ outcome }}_amount,
        {% endfor %}
        cast(coalesce(received_counted.received_amount, 0) as decimal(38, 4)) as received_amount
    from received_counted
    left join apart_counted
        on
            coalesce(received_counted.source_file, '')
            = coalesce(apart_counted.source_file, '')
)

select * from final
