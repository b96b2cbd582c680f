{% macro replace_all(text, pattern) %}{{ return(adapter.dispatch('replace_all', 'lifestage')(text, pattern)) }}{% endmacro %}

{% macro default__replace_all(text, pattern) %}regexp_replace({{ text }}, '{{ pattern }}', '', 'g'){% endmacro %}

{% macro spark__replace_all(text, pattern) %}regexp_replace({{ text }}, '{{ pattern }}', ''){% endmacro %}
