{# The newest as-of date of the warehouse, as a scalar. #}
{% macro as_of() %}(select max(as_of_date) from {{ ref('int_as_of_dates') }}){% endmacro %}
