{% macro forget_customers(listed_in) %}
    {% if is_incremental() %}
    delete from {{ this }} where customer_id in (select customer_id from {{ ref(listed_in) }})
    {% endif %}
{% endmacro %}
