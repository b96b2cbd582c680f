{% macro is_stored_with(column) %}{{ return(column in adapter.get_columns_in_relation(this) | map(attribute='name') | list) }}{% endmacro %}
