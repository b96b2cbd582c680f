{% macro explode_integers(relation, first_number, last_number) %}{{ return(adapter.dispatch('explode_integers', 'lifestage')(relation, first_number, last_number)) }}{% endmacro %}

{% macro default__explode_integers(relation, first_number, last_number) %}
    select
        {{ relation }}.*,
        numbers.number
    from {{ relation }}
    cross join unnest(generate_series({{ relation }}.{{ first_number }}, {{ relation }}.{{ last_number }})) as numbers (number)
{% endmacro %}

{% macro postgres__explode_integers(relation, first_number, last_number) %}
    select
        {{ relation }}.*,
        numbers.number
    from {{ relation }}
    cross join lateral generate_series({{ relation }}.{{ first_number }}, {{ relation }}.{{ last_number }}) as numbers (number)
{% endmacro %}

{% macro spark__explode_integers(relation, first_number, last_number) %}
    select
        {{ relation }}.*,
        explode(sequence({{ relation }}.{{ first_number }}, {{ relation }}.{{ last_number }})) as number
    from {{ relation }}
    where {{ relation }}.{{ first_number }} <= {{ relation }}.{{ last_number }}
{% endmacro %}
