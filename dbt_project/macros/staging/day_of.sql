{#- The business day of a time column of a base model; see utc_of. -#}
{% macro day_of(column, input) %}
    {%- set business = var('business_timezone') -%}
    {%- set source = input_timezone(input) -%}
    coalesce(
        {{ column }}_day,
        cast({{ moved_between_zones(column ~ '_instant', 'UTC', business) }} as date),
        {% if source == business -%}
        cast({{ column }}_local as date)
        {%- else -%}
        case
            when {{ column }}_text like '%:%'
                then cast({{ moved_between_zones(column ~ '_local', source, business) }} as date)
            else cast({{ column }}_local as date)
        end
        {%- endif %}
    )
{%- endmacro %}
