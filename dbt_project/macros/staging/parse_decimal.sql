{#- The number that a plain decimal text of at most four decimals says, else NULL: no rounding, no
    thousands separators, no exponents. -#}
{% macro parse_decimal(text) -%}
    case
        when {{ matches(text, '^[+-]?([0-9]{1,14}([.][0-9]{0,4}0*)?|[.][0-9]{1,4}0*)$') }}
            then {{ checked_cast(text, 'decimal(18, 4)') }}
    end
{%- endmacro %}
