{#-
  As dbt's own, but a table that is there stays until the new one is complete: a model may read what the
  run before wrote under its name, and readers find a table.
-#}
{% materialization table, adapter='spark' %}
    {%- set present = adapter.get_relation(database=database, schema=schema, identifier=model['alias']) -%}
    {%- if present is none or present.type != 'table' -%}
        {{ return(dbt.materialization_table_spark()) }}
    {%- endif -%}
    {%- set coming = present.incorporate(path={'identifier': present.identifier ~ '__coming'}) -%}
    {{ run_hooks(pre_hooks) }}
    {%- do adapter.drop_relation(coming) -%}
    {%- call statement('main') -%}
        {{ create_table_as(false, coming, compiled_code) }}
    {%- endcall -%}
    {%- do adapter.drop_relation(present) -%}
    {%- do adapter.rename_relation(coming, present) -%}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [present]}) }}
{% endmaterialization %}
