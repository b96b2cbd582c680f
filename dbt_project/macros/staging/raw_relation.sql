{#- The relation that delivers an input; an absent input is one row that `where false` removes. -#}
{% macro raw_relation(input) %}
    {%- set settings = input_settings(input) -%}
    {%- if settings is none -%}
        {{ return('(select 1 as is_absent) as absent') }}
    {%- elif settings['relation'] == 'sample' -%}
        {{ return(ref('raw_' ~ input)) }}
    {%- else -%}
        {{ return(source('raw', input)) }}
    {%- endif -%}
{% endmacro %}
