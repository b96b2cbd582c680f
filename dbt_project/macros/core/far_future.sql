{# The valid_to of what has no end yet: a date, so that joins need no null logic. #}
{% macro far_future() %}cast('9999-12-31' as date){% endmacro %}
