{% macro in_refresh_scope(date) -%}
    {%- if is_incremental() -%}
    {{ date }} >= (select refresh_scope.from_day from {{ ref('int_refresh_scope') }} as refresh_scope)
    {%- else -%}
    true
    {%- endif -%}
{%- endmacro %}
