{% macro years_before(date, years) %}{{ return(adapter.dispatch('years_before', 'lifestage')(date, years)) }}{% endmacro %}

{% macro default__years_before(date, years) %}cast({{ date }} - interval '{{ years }} years' as date){% endmacro %}

{% macro spark__years_before(date, years) %}add_months({{ date }}, -12 * {{ years }}){% endmacro %}
