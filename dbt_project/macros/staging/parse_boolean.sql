{#- The truth value that a text in small letters says, else NULL. -#}
{% macro parse_boolean(text) -%}
    case
        when {{ text }} in ('true', '1', 'yes') then true
        when {{ text }} in ('false', '0', 'no') then false
    end
{%- endmacro %}
