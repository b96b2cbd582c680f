{% macro far_past() %}cast('1900-01-01' as date){% endmacro %}
