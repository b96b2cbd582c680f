{#- An id without blanks around it. -#}
{% macro clean_id(id) %}{{ return(adapter.dispatch('clean_id', 'lifestage')(id)) }}{% endmacro %}

{#- Hardly any id has blanks, so the look at its ends must be cheap: whatever sorts before '!' starts
    with a blank or a control character. -#}
{% macro default__clean_id(id) -%}
    case when {{ id }} < '!' or {{ id }} like '% ' then trim({{ id }}) else {{ id }} end
{%- endmacro %}

{#- Text sorts by locale here, so the short cut does not hold. -#}
{% macro postgres__clean_id(id) %}btrim({{ id }}, ' '){% endmacro %}
