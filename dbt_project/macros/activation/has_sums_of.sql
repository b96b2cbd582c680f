{#- Whether the orders and the money of a state are as many and as much as an audience asks for. -#}
{% macro has_sums_of(audience, state) -%}
    {{ state }}.orders >= coalesce({{ audience }}.min_orders, 0)
    and ({{ audience }}.max_orders is null or {{ state }}.orders <= {{ audience }}.max_orders)
    and ({{ audience }}.min_monetary is null or {{ state }}.monetary >= {{ audience }}.min_monetary)
{%- endmacro %}
