{% macro last_day_of(period, date) -%}
    {%- if period == 'day' -%}
    {{ date }}
    {%- elif period == 'week' -%}
    {{ add_days(first_day_of('week', date), 6) }}
    {%- else -%}
    cast({{ dbt.last_day(date, period) }} as date)
    {%- endif -%}
{%- endmacro %}
