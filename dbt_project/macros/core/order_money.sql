{% macro order_money() -%}
    {{ {
        'net': 'gross_amount - refunded_amount',
        'gross': 'gross_amount',
        'margin': 'gross_amount - refunded_amount - coalesce(cost_amount, 0)',
    }[var('monetary_measure')] }}
{%- endmacro %}
