{#- As dbt's own, and false on an engine that makes everything anew. -#}
{% macro is_incremental() %}
    {{ return(not rebuilds_every_night() and dbt.is_incremental()) }}
{% endmacro %}
