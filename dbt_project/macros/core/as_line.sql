{# Several columns as one line of text, nulls visible, for hashing definitions alike on every engine. #}
{% macro as_line(columns) %}
    {%- for column in columns -%}
    coalesce(cast({{ column }} as {{ dbt.type_string() }}), '~'){% if not loop.last %} || '|' || {% endif %}
    {%- endfor -%}
{% endmacro %}
