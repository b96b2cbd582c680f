{% macro ordered_list(column) %}{{ return(adapter.dispatch('ordered_list', 'lifestage')(column)) }}{% endmacro %}

{% macro default__ordered_list(column) %}string_agg({{ column }}, ';' order by {{ column }}){% endmacro %}

{% macro spark__ordered_list(column) %}array_join(array_sort(collect_list({{ column }})), ';'){% endmacro %}
