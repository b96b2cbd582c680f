{#- The day up to which orders are known, in staging, which comes before the as-of dates of this run.
    An old day that is run again does not turn the orders of newer days into orders placed ahead. -#}
{% macro newest_day() -%}
    {%- set requested = requested_day() -%}
    {%- set known_dates = state_of('int_as_of_dates') -%}
    {%- if known_dates -%}
        {{- return("greatest(" ~ requested ~ ", (select max(as_of_date) from " ~ known_dates ~ "))") -}}
    {%- endif -%}
    {{- return(requested) -}}
{%- endmacro %}
