{#- A wall clock time of a zone as a UTC timestamp. -#}
{% macro local_to_utc(time, zone) %}
    {{ return(moved_between_zones(time, zone, 'UTC')) }}
{% endmacro %}
