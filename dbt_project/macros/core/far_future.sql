{% macro far_future() %}cast('9999-12-31' as date){% endmacro %}
