{#- A part of a whole with six decimals, rounded half away from zero and the same on every engine; NULL of nothing. -#}
{% macro exact_share(part, whole) %}{{ return(adapter.dispatch('exact_share', 'lifestage')(part, whole)) }}{% endmacro %}

{# DuckDB divides decimals as floating point, so the division is done in whole ten-thousandths. #}
{% macro default__exact_share(part, whole) -%}
cast(
            sign({{ part }}) * sign({{ whole }}) * cast(
                (2000000 * cast(cast(abs({{ part }}) as decimal(33, 4)) * 10000 as hugeint) + cast(cast(abs({{ whole }}) as decimal(33, 4)) * 10000 as hugeint))
                // nullif(2 * cast(cast(abs({{ whole }}) as decimal(33, 4)) * 10000 as hugeint), 0) as decimal(24, 0)
            ) * 0.000001 as decimal(18, 6)
        )
{%- endmacro %}

{% macro postgres__exact_share(part, whole) %}cast(round(cast({{ part }} as numeric) / nullif({{ whole }}, 0), 6) as decimal(18, 6)){% endmacro %}

{#- Spark rounds a quotient of wide decimals to six digits, so what is divided is a multiple of the divisor. -#}
{% macro spark__exact_share(part, whole) -%}
{%- set part4 = 'cast(cast(abs(' ~ part ~ ') as decimal(33, 4)) * 10000 as decimal(38, 0))' -%}
{%- set whole4 = 'cast(cast(abs(' ~ whole ~ ') as decimal(33, 4)) * 10000 as decimal(38, 0))' -%}
{%- set doubled = 'cast(2000000 * ' ~ part4 ~ ' + ' ~ whole4 ~ ' as decimal(38, 0))' -%}
{%- set divisor = 'nullif(cast(2 * ' ~ whole4 ~ ' as decimal(38, 0)), 0)' -%}
cast(
            case when {{ part }} < 0 then -1 else 1 end * case when {{ whole }} < 0 then -1 else 1 end
            * cast(({{ doubled }} - {{ doubled }} % {{ divisor }}) / {{ divisor }} as decimal(24, 0)) * 0.000001 as decimal(18, 6)
        )
{%- endmacro %}
