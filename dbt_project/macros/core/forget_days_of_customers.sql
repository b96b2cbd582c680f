{% macro forget_days_of_customers(listed_in) %}
    {% if is_incremental() %}
    {#- The first condition says nothing more, but leaves few rows for the second one, which is dear. -#}
    {% set condition %}
        customer_id in (select listed.customer_id from {{ ref(listed_in) }} as listed)
        and exists (
            select 1
            from (select customer_id as listed_id, from_day from {{ ref(listed_in) }}) as listed
            where listed.listed_id = customer_id and valid_from >= listed.from_day
        )
    {% endset %}
    {{ forget_rows(condition) }}
    {% endif %}
{% endmacro %}
