{#- The UTC time that an ISO 8601 text with Z or an offset says, else NULL. No zone is 16 hours from UTC. -#}
{% macro parse_instant(text) -%}
    {%- set iso = '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)? ?(Z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)$' -%}
    case
        when {{ matches(text, iso) }}
            then {{ read_iso_instant(text) }}
    end
{%- endmacro %}
