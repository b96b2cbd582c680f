{% macro row_hash(columns) %}{{ return(adapter.dispatch('row_hash', 'lifestage')(columns)) }}{% endmacro %}

{% macro default__row_hash(columns) %}cast(hash({{ columns | join(', ') }}) >> 1 as bigint){% endmacro %}

{% macro postgres__row_hash(columns) %}hashtextextended(row({{ columns | join(', ') }})::text, 0){% endmacro %}

{% macro spark__row_hash(columns) %}xxhash64({{ columns | join(', ') }}){% endmacro %}
