{% macro explode_days(relation, first_day, last_day) %}{{ return(adapter.dispatch('explode_days', 'lifestage')(relation, first_day, last_day)) }}{% endmacro %}

{% macro default__explode_days(relation, first_day, last_day) %}
    select
        {{ relation }}.*,
        cast(days.day as date) as date_day
    from {{ relation }}
    cross join unnest(generate_series({{ relation }}.{{ first_day }}, {{ relation }}.{{ last_day }}, interval '1 day')) as days (day)
{% endmacro %}

{% macro postgres__explode_days(relation, first_day, last_day) %}
    select
        {{ relation }}.*,
        cast(days.day as date) as date_day
    from {{ relation }}
    cross join lateral generate_series({{ relation }}.{{ first_day }}, {{ relation }}.{{ last_day }}, interval '1 day') as days (day)
{% endmacro %}

{% macro spark__explode_days(relation, first_day, last_day) %}
    select
        {{ relation }}.*,
        explode(sequence({{ relation }}.{{ first_day }}, {{ relation }}.{{ last_day }})) as date_day
    from {{ relation }}
    where {{ relation }}.{{ first_day }} <= {{ relation }}.{{ last_day }}
{% endmacro %}
