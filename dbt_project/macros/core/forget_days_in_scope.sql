{# Before an incremental model adds the days of this refresh again, their old rows go, in the same transaction. #}
{% macro forget_days_in_scope() %}
    {% if is_incremental() %}
    delete from {{ this }} where date_day >= (select from_day from {{ ref('int_refresh_scope') }})
    {% endif %}
{% endmacro %}
