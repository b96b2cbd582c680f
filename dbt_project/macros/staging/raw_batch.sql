{#- The batch that a raw order is compared in from run to run: its load, or the day that it says. Any
    part of the rows would do that stays the same for a row that does; one number, whatever it is of. -#}
{% macro raw_batch(input) %}
    {%- set type = input['types'].get('ordered_at', '') -%}
    {%- if '_load_id' in input['types'] -%}
        {{ row_hash(['_load_id']) }}
    {%- elif type == '' -%}
        cast(0 as bigint)
    {%- elif is_text_type(type) -%}
        {{ row_hash(['substring(ordered_at, 1, 10)']) }}
    {%- else -%}
        {{ row_hash(['cast(ordered_at as date)']) }}
    {%- endif -%}
{% endmacro %}
