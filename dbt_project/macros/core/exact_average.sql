{% macro exact_average(amount, number) %}{{ return(adapter.dispatch('exact_average', 'lifestage')(amount, number)) }}{% endmacro %}

{# DuckDB divides decimals as floating point, so the division is done in whole ten-thousandths. #}
{% macro default__exact_average(amount, number) %}
cast(
    sign({{ amount }})
    * cast((2 * cast(cast(abs({{ amount }}) as decimal(33, 4)) * 10000 as hugeint) + {{ number }}) // (2 * {{ number }}) as decimal(18, 0))
    * 0.0001 as decimal(18, 4)
)
{% endmacro %}

{% macro postgres__exact_average(amount, number) %}cast(round(cast({{ amount }} as numeric) / {{ number }}, 4) as decimal(18, 4)){% endmacro %}

{% macro spark__exact_average(amount, number) %}cast(round(cast({{ amount }} as decimal(22, 4)) / cast({{ number }} as decimal(14, 0)), 4) as decimal(18, 4)){% endmacro %}
