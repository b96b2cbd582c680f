{#- Why a text did not become a number, as reason|column. Only asked when it did not. -#}
{% macro decimal_problem(text, column) -%}
    case
        when {{ matches('lower(' ~ text ~ ')', '^[+-]?(nan|inf|infinity)$') }} then 'NOT_FINITE|{{ column }}'
        when {{ matches(text, '^[+-]?[0-9]{0,14}[.][0-9]{5,}$') }} then 'TOO_MANY_DECIMALS|{{ column }}'
        else 'BAD_DECIMAL|{{ column }}'
    end
{%- endmacro %}
