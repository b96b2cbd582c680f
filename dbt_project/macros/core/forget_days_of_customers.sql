{% macro forget_days_of_customers(listed_in) %}
    {% if is_incremental() %}
    {% set condition %}
        exists (
            select 1
            from (select customer_id as listed_id, from_day from {{ ref(listed_in) }}) as listed
            where listed.listed_id = customer_id and valid_from >= listed.from_day
        )
    {% endset %}
    {{ forget_rows(condition) }}
    {% endif %}
{% endmacro %}
