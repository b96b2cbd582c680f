{#- Whether a cleaned id needs a second look: it is empty or holds something else than plain signs.
    The quick look sees no control character inside an id; it is meant for long tables of the
    warehouse, whose order numbers are compared and nothing else. -#}
{% macro is_unclean_id(id, quick=false) %}
    {%- if quick -%}
        {{ return(adapter.dispatch('quickly_is_unclean_id', 'lifestage')(id)) }}
    {%- else -%}
        {{ return('not ' ~ matches(id, '^[!-~]+$')) }}
    {%- endif -%}
{% endmacro %}

{% macro default__quickly_is_unclean_id(id) -%}
    ({{ id }} < '!' or octet_length({{ id }}) != length({{ id }}))
{%- endmacro %}

{% macro duckdb__quickly_is_unclean_id(id) -%}
    ({{ id }} < '!' or strlen({{ id }}) != length({{ id }}))
{%- endmacro %}

{% macro postgres__quickly_is_unclean_id(id) -%}
    ({{ id }} = '' or octet_length({{ id }}) != length({{ id }}))
{%- endmacro %}
