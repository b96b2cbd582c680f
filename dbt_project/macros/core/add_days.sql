{% macro add_days(date, days) %}{{ return(adapter.dispatch('add_days', 'lifestage')(date, days)) }}{% endmacro %}

{% macro default__add_days(date, days) %}({{ date }} + cast({{ days }} as integer)){% endmacro %}

{% macro spark__add_days(date, days) %}date_add({{ date }}, cast({{ days }} as integer)){% endmacro %}
