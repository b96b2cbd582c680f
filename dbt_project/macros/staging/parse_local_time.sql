{#- The wall clock time that a text without zone says: ISO 8601, or one of the given strptime formats.
    NULL when it says nothing, or two formats read it differently. -#}
{% macro parse_local_time(text, formats=[]) -%}
    {%- set iso = '^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ]([01][0-9]|2[0-3]):[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?)?$' -%}
    case
        when {{ matches(text, iso) }} then {{ read_iso_time(text, 'timestamp') }}
        {%- if formats | length == 1 %}
        else {{ read_time(text, formats[0]) }}
        {%- elif formats %}
        {%- set readings = [] -%}
        {%- for format in formats %}{% do readings.append(read_time(text, format)) %}{% endfor %}
        when least({{ readings | join(', ') }}) = greatest({{ readings | join(', ') }})
            then least({{ readings | join(', ') }})
        {%- endif %}
    end
{%- endmacro %}
