{#- Why a text did not become a time, as reason|column. Only asked when it did not. Without a format
    nobody can tell day from month; with two formats a text may have two readings. -#}
{% macro time_problem(column) -%}
    case
        when {{ matches(column ~ '_text', '^(0?[1-9]|1[0-2])[/.-](0?[1-9]|1[0-2])[/.-]([0-9]{4}|[0-9]{2})([ T].*)?$') }}
            then 'AMBIGUOUS_DATE|{{ column }}'
        else 'BAD_DATE|{{ column }}'
    end
{%- endmacro %}
