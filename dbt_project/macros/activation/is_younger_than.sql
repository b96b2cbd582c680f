{# Whether somebody has had fewer birthdays than `years` on a date; the comparison of two numbers like 20260630. #}
{% macro is_younger_than(birth_date, date, years) -%}
{{ day_number(date) }} - {{ day_number(birth_date) }} < 10000 * {{ years }}
{%- endmacro %}

{% macro day_number(date) -%}
(10000 * extract(year from {{ date }}) + 100 * extract(month from {{ date }}) + extract(day from {{ date }}))
{%- endmacro %}
