{% macro within_tie_band(state, band) -%}
(
    (
        {{ band }}.above_orders is null
        or {{ state }}.orders > {{ band }}.above_orders
        or ({{ state }}.orders = {{ band }}.above_orders and {{ state }}.customer_id > {{ band }}.above_tie_break)
    )
    and (
        {{ band }}.up_to_orders is null
        or {{ state }}.orders < {{ band }}.up_to_orders
        or ({{ state }}.orders = {{ band }}.up_to_orders and {{ state }}.customer_id <= {{ band }}.up_to_tie_break)
    )
)
{%- endmacro %}
