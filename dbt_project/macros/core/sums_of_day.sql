{% macro sums_of_day(money) -%}
cast(count(*) filter (where is_counted) as integer) as orders_change,
        cast(sum({{ money }}) as decimal(18, 4)) as revenue_change,
        count(*) filter (where not is_counted) as corrections
{%- endmacro %}
