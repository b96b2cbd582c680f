{% macro in_customer_order() %}{{ return(adapter.dispatch('in_customer_order', 'lifestage')()) }}{% endmacro %}

{% macro default__in_customer_order() %}order by customer_id, valid_from{% endmacro %}

{% macro spark__in_customer_order() %}{% endmacro %}
