{#- Whether a text contains a match of a regular expression (the dialect that RE2, POSIX and Java share). -#}
{% macro matches(text, pattern) %}{{ return(adapter.dispatch('matches', 'lifestage')(text, pattern)) }}{% endmacro %}

{% macro default__matches(text, pattern) %}regexp_matches({{ text }}, '{{ pattern }}'){% endmacro %}

{% macro postgres__matches(text, pattern) %}({{ text }} ~ '{{ pattern }}'){% endmacro %}

{% macro spark__matches(text, pattern) %}({{ text }} rlike r'{{ pattern }}'){% endmacro %}
