{#- What is wrong with a cleaned id, as reason|column, or NULL. -#}
{% macro id_problem(id, null_reason, column=none) %}
    {%- set column = column or id -%}
    case
        when {{ id }} = '' then '{{ null_reason }}|{{ column }}'
        when {{ matches(id, '^[ -~]+$') }} then null
        when {{ has_control_character(id) }} then 'CONTROL_CHAR|{{ column }}'
        when {{ has_invisible_character(id) }} then 'INVISIBLE_CHAR|{{ column }}'
    end
{%- endmacro %}
