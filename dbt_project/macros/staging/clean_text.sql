{#- A text without blanks, tabs and line ends around it. Other invisible characters stay, to be seen. -#}
{% macro clean_text(text) %}{{ return(adapter.dispatch('clean_text', 'lifestage')(text)) }}{% endmacro %}

{% macro default__clean_text(text) %}trim({{ text }}, e' \t\r\n'){% endmacro %}

{% macro postgres__clean_text(text) %}btrim({{ text }}, e' \t\r\n'){% endmacro %}

{% macro spark__clean_text(text) %}trim(both ' \t\r\n' from {{ text }}){% endmacro %}
