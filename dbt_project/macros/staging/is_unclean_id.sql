{#- Whether a cleaned id needs a second look: it is empty or holds something else than plain signs. -#}
{% macro is_unclean_id(id) -%}
    not {{ matches(id, '^[!-~]+$') }}
{%- endmacro %}
