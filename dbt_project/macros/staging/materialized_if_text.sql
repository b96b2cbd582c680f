{#- Text is parsed once and kept; typed rows are only looked at, so a view costs nothing. -#}
{% macro materialized_if_text(input) %}
    {{ return('table' if (input_settings(input) or {}).get('text') else 'view') }}
{% endmacro %}
