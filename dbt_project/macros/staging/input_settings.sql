{#- How an input is read: its entry in the var `inputs`, or none when the input is absent. -#}
{% macro input_settings(input) %}
    {{ return(var('inputs').get(input)) }}
{% endmacro %}
