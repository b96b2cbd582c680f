{#- The value of a number column of a base model, wherever it stands. -#}
{% macro number_of(column) -%}
    coalesce({{ column }}_native, {{ parse_decimal(column ~ '_text') }})
{%- endmacro %}
