{#- Whether an input delivers a column. Required columns must be there. -#}
{% macro has_raw_column(input, column, required=false) %}
    {%- if required and input['types'] and column not in input['types'] -%}
        {{ exceptions.raise_compiler_error(
            var('raw_schema') ~ '.' ~ input['name'] ~ ' has no column ' ~ column
            ~ ': add it to the table or view, or map it in lifestage.yml'
        ) }}
    {%- endif -%}
    {{ return(column in input['types']) }}
{% endmacro %}
