{#- What is wrong with the day of something that has happened, as reason|column, or NULL. -#}
{% macro event_day_problem(day, column) -%}
    case
        when {{ day }} is null then {{ time_problem(column) }}
        when {{ day }} < {{ far_past() }} then 'BAD_DATE|{{ column }}'
        when {{ day }} > {{ last_known_day() }} then 'FUTURE_DATE|{{ column }}'
    end
{%- endmacro %}
