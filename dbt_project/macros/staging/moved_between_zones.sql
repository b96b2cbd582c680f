{#- What the clocks of another zone show at a wall clock time; free of charge within one zone. -#}
{% macro moved_between_zones(time, from_zone, to_zone) %}
    {%- if from_zone == to_zone -%}
        {{ return(time) }}
    {%- else -%}
        {{ return(adapter.dispatch('moved_between_zones', 'lifestage')(time, from_zone, to_zone)) }}
    {%- endif -%}
{% endmacro %}

{% macro default__moved_between_zones(time, from_zone, to_zone) -%}
    ({{ time }} at time zone '{{ from_zone }}' at time zone '{{ to_zone }}')
{%- endmacro %}

{% macro spark__moved_between_zones(time, from_zone, to_zone) -%}
    from_utc_timestamp(to_utc_timestamp({{ time }}, '{{ from_zone }}'), '{{ to_zone }}')
{%- endmacro %}
