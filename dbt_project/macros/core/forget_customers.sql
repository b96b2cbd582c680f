{% macro forget_customers(listed_in) %}
    {% if is_incremental() %}
    {{ forget_rows('customer_id in (select listed.customer_id from ' ~ ref(listed_in) ~ ' as listed)') }}
    {% endif %}
{% endmacro %}
