{#- A text column of an input. NULL says that the source has no such column; an empty value is ''.
    Files of one feed may differ in that, so the loader keeps the two apart row by row. -#}
{% macro raw_text(input, column, required=false) %}
    {%- set loaded = '_load_id' in input['types'] -%}
    {%- if not has_raw_column(input, column, required) -%}
        cast(null as {{ dbt.type_string() }})
    {%- elif input['types'][column] in ('DOUBLE', 'FLOAT', 'REAL') -%}
        {{ exceptions.raise_compiler_error(
            var('raw_schema') ~ '.' ~ input['name'] ~ '.' ~ column
            ~ ' is a floating point number: deliver it as text or as a whole number'
        ) }}
    {%- elif loaded -%}
        {{ column }}
    {%- elif is_text_type(input['types'][column]) -%}
        coalesce({{ column }}, '')
    {%- else -%}
        coalesce(cast({{ column }} as {{ dbt.type_string() }}), '')
    {%- endif -%}
{% endmacro %}
