{# The valid_from of the first regime: what holds before anything else is known. #}
{% macro far_past() %}cast('1900-01-01' as date){% endmacro %}
