{#- An id without blanks around it. Hardly any id has some, so the look at its ends must be cheap. -#}
{% macro clean_id(id) -%}
    case when {{ id }} like ' %' or {{ id }} like '% ' then trim({{ id }}, ' ') else {{ id }} end
{%- endmacro %}
