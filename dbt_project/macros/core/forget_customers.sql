{# Before an incremental model adds the customers of a list again, their old rows go, in the same transaction. #}
{% macro forget_customers(listed_in) %}
    {% if is_incremental() %}
    delete from {{ this }} where customer_id in (select customer_id from {{ ref(listed_in) }})
    {% endif %}
{% endmacro %}
