{#- The day that this run was asked for. A run names it in the environment: dbt parses the whole
    project anew whenever a var is another one than the night before. -#}
{% macro requested_day() -%}
    cast('{{ env_var('LIFESTAGE_AS_OF', var('as_of_date')) }}' as date)
{%- endmacro %}
