{#- What is wrong with the cleaned columns type and value that name a person, as reason|column, or NULL. -#}
{% macro person_key_problem() -%}
    case
        when type = 'customer_id'
            then case when {{ is_unclean_id('value') }} then {{ id_problem('value', 'NULL_VALUE') }} end
        when type not in ('email_sha256', 'phone_sha256') then 'UNKNOWN_TYPE|type'
        when value = '' then 'NULL_VALUE|value'
        when not {{ matches('value', '^[0-9a-f]{64}$') }} then 'BAD_HASH|value'
    end
{%- endmacro %}
