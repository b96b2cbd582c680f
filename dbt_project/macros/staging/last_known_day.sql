{#- The last day on which a row may lie: later ones are mistakes, not orders placed ahead. -#}
{% macro last_known_day() -%}
    {{ add_days(newest_day(), var('future_order_days')) }}
{%- endmacro %}
