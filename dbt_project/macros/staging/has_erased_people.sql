{#- Whether anybody has asked to be forgotten who may stand in a table that the loader does not write. -#}
{% macro has_erased_people(input) %}
    {%- if not execute or input_settings(input['name']) is none or '_load_id' in input['types'] -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set requests = adapter.get_relation(target.database, 'erasure', 'erasure_requests') -%}
    {{ return(requests is not none and run_query('select 1 from ' ~ requests ~ ' limit 1') | length > 0) }}
{% endmacro %}
