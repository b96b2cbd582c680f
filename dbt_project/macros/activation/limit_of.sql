{#- A number of days from the limits of activation. -#}
{% macro limit_of(name) %}(select cast(max(value) as integer) from {{ ref('activation_limits') }} where name = '{{ name }}'){% endmacro %}
