{#- The UTC time that an ISO 8601 text with Z or an offset says, else NULL. -#}
{% macro parse_instant(text) %}{{ return(adapter.dispatch('parse_instant', 'lifestage')(text)) }}{% endmacro %}

{% macro default__parse_instant(text) -%}
    {%- set iso = '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)? ?(Z|[+-][0-9]{2}(:?[0-9]{2})?)$' -%}
    case
        when {{ matches(text, iso) }}
            then {{ checked_cast(text, 'timestamp with time zone') }} at time zone 'UTC'
    end
{%- endmacro %}
