{#- Whether a column type of the warehouse is text. -#}
{% macro is_text_type(type) %}
    {{ return(type.startswith(('VARCHAR', 'TEXT', 'STRING', 'CHAR', 'BPCHAR'))) }}
{% endmacro %}
