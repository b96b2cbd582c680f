{% macro first_day_of(period, date) %}cast({{ dbt.date_trunc(period, date) }} as date){% endmacro %}
