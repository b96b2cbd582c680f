{#- An id without blanks around it. Nearly all ids are plain, so they are looked at once and kept. -#}
{% macro clean_id(id) -%}
    case when {{ matches(id, '^[!-~]+$') }} then {{ id }} else {{ clean_text(id) }} end
{%- endmacro %}
