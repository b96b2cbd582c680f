{#- dbt looks at every table to write comments of columns, which plain tables of Spark do not take. -#}
{% macro spark__persist_docs(relation, model, for_relation, for_columns) %}{% endmacro %}
