{#- The cleaned value that names a person: an id as it is, a hash in small letters. -#}
{% macro person_key_value() -%}
    case
        when lower({{ clean_text('type') }}) = 'customer_id' then {{ clean_id('value') }}
        else lower({{ clean_text('value') }})
    end
{%- endmacro %}
