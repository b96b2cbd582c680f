{% macro as_of() %}(select max(as_of_date) from {{ ref('int_as_of_dates') }}){% endmacro %}
