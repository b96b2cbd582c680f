{#- Two columns for a number of an input: <column>_native when the warehouse holds it exactly, and
    <column>_text to be parsed and checked otherwise. Floating point money is refused: it has lost
    its exact value already. -#}
{% macro raw_number(input, column, required=false) %}
    {%- set type = input['types'].get(column, '') -%}
    {%- set number = 'decimal(18, 4)' -%}
    {%- set text = dbt.type_string() -%}
    {%- if not has_raw_column(input, column, required) -%}
        cast(null as {{ number }}) as {{ column }}_native,
        cast(null as {{ text }}) as {{ column }}_text
    {%- elif type in ('DOUBLE', 'FLOAT', 'REAL', 'DOUBLE PRECISION') -%}
        {{ exceptions.raise_compiler_error(
            var('raw_schema') ~ '.' ~ input['name'] ~ '.' ~ column
            ~ ' is a floating point number: deliver it as decimal(18, 4)'
        ) }}
    {%- elif type.replace(' ', '') == 'DECIMAL(18,4)' -%}
        {{ column }} as {{ column }}_native,
        cast(null as {{ text }}) as {{ column }}_text
    {%- elif is_exact_as_money(type) -%}
        cast({{ column }} as {{ number }}) as {{ column }}_native,
        cast(null as {{ text }}) as {{ column }}_text
    {%- else -%}
        cast(null as {{ number }}) as {{ column }}_native,
        cast({{ column }} as {{ text }}) as {{ column }}_text
    {%- endif -%}
{% endmacro %}
