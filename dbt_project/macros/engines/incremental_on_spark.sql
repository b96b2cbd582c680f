{#- Plain tables of Spark have neither delete nor merge, so what other engines keep is made anew there. -#}
{% materialization incremental, adapter='spark' %}
    {{ return(materialization_table_spark()) }}
{% endmaterialization %}
