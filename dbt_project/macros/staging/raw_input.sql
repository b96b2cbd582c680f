{#- An input as it really is: name, source time zone, and the type of each column. There are no types
    while parsing, for an absent input, and for a relation that does not exist yet (the engine then
    says so better than a macro). -#}
{% macro raw_input(input) %}
    {%- set settings = input_settings(input) -%}
    {%- set types = {} -%}
    {#- Named outside the condition, so that dbt sees the dependency while parsing. -#}
    {%- set relation = raw_relation(input) -%}
    {%- if execute and settings is not none -%}
        {#- With --empty a relation is written as a query of no rows, which Spark does not describe. -#}
        {%- for column in adapter.get_columns_in_relation(relation.replace(limit=none)) -%}
            {%- do types.update({column.name | lower: column.data_type | upper}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return({'name': input, 'types': types, 'timezone': input_timezone(input)}) }}
{% endmacro %}
