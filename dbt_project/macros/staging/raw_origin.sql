{#- Where a row comes from and what the loader has to say about it; empty for a warehouse table. -#}
{% macro raw_origin(input) %}
    {%- set text = dbt.type_string() -%}
    {%- if '_load_id' in input['types'] -%}
        _file as source_file,
        _line as source_line,
        _excluded_by as excluded_by,
        _problem || '|' || coalesce(_problem_column, '') as loader_problem
    {%- else -%}
        cast(null as {{ text }}) as source_file,
        cast(null as bigint) as source_line,
        cast(null as {{ text }}) as excluded_by,
        cast(null as {{ text }}) as loader_problem
    {%- endif -%}
{% endmacro %}
