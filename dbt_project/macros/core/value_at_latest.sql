{% macro value_at_latest(value, date) %}{{ return(adapter.dispatch('value_at_latest', 'lifestage')(value, date)) }}{% endmacro %}

{% macro default__value_at_latest(value, date) %}arg_max({{ value }}, {{ date }}){% endmacro %}

{% macro postgres__value_at_latest(value, date) %}(array_agg({{ value }} order by {{ date }} desc))[1]{% endmacro %}

{% macro spark__value_at_latest(value, date) %}max_by({{ value }}, {{ date }}){% endmacro %}
