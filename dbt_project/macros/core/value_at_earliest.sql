{% macro value_at_earliest(value, date) %}{{ return(adapter.dispatch('value_at_earliest', 'lifestage')(value, date)) }}{% endmacro %}

{% macro default__value_at_earliest(value, date) %}arg_min({{ value }}, {{ date }}){% endmacro %}

{% macro postgres__value_at_earliest(value, date) %}(array_agg({{ value }} order by {{ date }}))[1]{% endmacro %}

{% macro spark__value_at_earliest(value, date) %}min_by({{ value }}, {{ date }}){% endmacro %}
