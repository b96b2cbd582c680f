{#- The types of seeds are those of the standard; Spark has other names for two of them. -#}
{% macro spark_column_types(model) %}
    {%- set names = {'text': 'string', 'double precision': 'double'} -%}
    {%- set types = {} -%}
    {%- for column, type in model['config'].get('column_types', {}).items() -%}
        {%- do types.update({column: names.get(type, type)}) -%}
    {%- endfor -%}
    {{ return(types) }}
{% endmacro %}

{% macro spark__create_csv_table(model, agate_table) %}
    {%- do model['config'].update({'column_types': spark_column_types(model)}) -%}
    {{ return(dbt.spark__create_csv_table(model, agate_table)) }}
{% endmacro %}

{% macro spark__load_csv_rows(model, agate_table) %}
    {%- do model['config'].update({'column_types': spark_column_types(model)}) -%}
    {{ return(dbt.spark__load_csv_rows(model, agate_table)) }}
{% endmacro %}
