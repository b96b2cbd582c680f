{% macro as_line(columns) %}
    {%- for column in columns -%}
    coalesce(cast({{ column }} as {{ dbt.type_string() }}), '~'){% if not loop.last %} || '|' || {% endif %}
    {%- endfor -%}
{% endmacro %}
