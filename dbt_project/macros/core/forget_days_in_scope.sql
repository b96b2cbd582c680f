{% macro forget_days_in_scope() %}
    {% if is_incremental() %}
    {{ forget_rows('date_day >= (select from_day from ' ~ ref('int_refresh_scope') ~ ')') }}
    {% endif %}
{% endmacro %}
