{% macro row_hash(columns) %}{{ return(adapter.dispatch('row_hash', 'lifestage')(columns)) }}{% endmacro %}

{% macro default__row_hash(columns) %}cast(hash({{ columns | join(', ') }}) >> 1 as bigint){% endmacro %}

{% macro postgres__row_hash(columns) %}hashtextextended(row({{ columns | join(', ') }})::text, 0){% endmacro %}

{#- A hash of columns would pass over NULL, so that values could change their places. -#}
{% macro spark__row_hash(columns) %}xxhash64(to_json(struct({{ columns | join(', ') }}))){% endmacro %}
