{#- The zone whose clocks an input shows where it does not say. -#}
{% macro input_timezone(input) %}
    {{ return((input_settings(input) or {}).get('source_timezone', var('business_timezone'))) }}
{% endmacro %}
