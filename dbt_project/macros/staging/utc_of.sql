{#- The UTC time of a time column of a base model whose text was read into _local and _instant. A text
    without a time of day is a business day, whatever the zone of the source. -#}
{% macro utc_of(column, input) %}
    {%- set business = var('business_timezone') -%}
    {%- set source = input_timezone(input) -%}
    coalesce(
        {{ column }}_utc,
        {{ column }}_instant,
        {% if source == business -%}
        {{ local_to_utc(column ~ '_local', business) }}
        {%- else -%}
        case
            when {{ column }}_text like '%:%' then {{ local_to_utc(column ~ '_local', source) }}
            else {{ local_to_utc(column ~ '_local', business) }}
        end
        {%- endif %}
    )
{%- endmacro %}
