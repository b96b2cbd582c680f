{# A number in international form as + and digits; NULL without one: a country is not guessed. #}
{% macro international_phone(phone) -%}
case when {{ phone }} like '+%' then '+' || {{ replace_all(phone, '[^0-9]') }} end
{%- endmacro %}
