{#- Ends a select: brings the rows of a key together where engines shuffle, once for all that comes after. -#}
{% macro gathered_by(column) %}{{ return(adapter.dispatch('gathered_by', 'lifestage')(column)) }}{% endmacro %}

{% macro default__gathered_by(column) %}{% endmacro %}

{% macro spark__gathered_by(column) %}distribute by {{ column }}{% endmacro %}
