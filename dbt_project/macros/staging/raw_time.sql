{#- Three columns for a point in time of an input: <column>_text to be parsed, or, when the warehouse
    holds a time already, <column>_utc and the business day <column>_day. Only what is read later is
    computed: in a view the rest is pruned. -#}
{% macro raw_time(input, column, required=false) %}
    {%- set type = input['types'].get(column, '') -%}
    {%- set business = var('business_timezone') -%}
    {%- set source = input['timezone'] -%}
    {%- if not has_raw_column(input, column, required) or is_text_type(type) -%}
        {{ raw_text(input, column, required) }} as {{ column }}_text,
        cast(null as timestamp) as {{ column }}_utc,
        cast(null as date) as {{ column }}_day
    {%- elif type == 'DATE' -%}
        cast(null as {{ dbt.type_string() }}) as {{ column }}_text,
        {{ local_to_utc('cast(' ~ column ~ ' as timestamp)', business) }} as {{ column }}_utc,
        {{ column }} as {{ column }}_day
    {%- elif type in ('TIMESTAMP WITH TIME ZONE', 'TIMESTAMPTZ') -%}
        cast(null as {{ dbt.type_string() }}) as {{ column }}_text,
        {{ column }} at time zone 'UTC' as {{ column }}_utc,
        cast({{ column }} at time zone '{{ business }}' as date) as {{ column }}_day
    {%- elif type.startswith('TIMESTAMP') -%}
        cast(null as {{ dbt.type_string() }}) as {{ column }}_text,
        {{ local_to_utc('cast(' ~ column ~ ' as timestamp)', source) }} as {{ column }}_utc,
        cast({{ moved_between_zones(column, source, business) }} as date) as {{ column }}_day
    {%- else -%}
        {{ exceptions.raise_compiler_error(
            var('raw_schema') ~ '.' ~ input['name'] ~ '.' ~ column ~ ' is ' ~ type
            ~ ': deliver a date, a timestamp or text'
        ) }}
    {%- endif -%}
{% endmacro %}
