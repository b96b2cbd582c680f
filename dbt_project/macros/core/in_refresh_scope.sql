{#- A period reaches into the scope from the first day of the one that the scope begins in: said of a bare date,
    so that whatever reads the rows can leave out those before. -#}
{% macro in_refresh_scope(date, period=none) -%}
    {%- if is_incremental() -%}
    {%- set from_day = first_day_of(period, 'refresh_scope.from_day') if period else 'refresh_scope.from_day' -%}
    {{ date }} >= (select {{ from_day }} from {{ ref('int_refresh_scope') }} as refresh_scope)
    {%- else -%}
    true
    {%- endif -%}
{%- endmacro %}
