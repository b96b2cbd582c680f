{% macro as_double(number) %}{{ return(adapter.dispatch('as_double', 'lifestage')(number)) }}{% endmacro %}

{% macro default__as_double(number) %}cast({{ number }} as double precision){% endmacro %}

{% macro spark__as_double(number) %}cast({{ number }} as double){% endmacro %}
