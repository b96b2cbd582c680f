{% set input = raw_input('campaigns') %}
with source as (
    select * from {{ raw_relation('campaigns') }}
),

final as (
    select
        {{ raw_origin(input) }},
        {{ raw_text(input, 'campaign_id', required=true) }} as campaign_id,
        {{ raw_text(input, 'audience') }} as audience,
        {{ raw_text(input, 'name') }} as name,
        {{ raw_number(input, 'cost') }},
        {{ raw_time(input, 'started_on', required=true) }},
        {{ raw_time(input, 'ended_on', required=true) }}
    from source
    {% if input_settings('campaigns') is none %}
    where false
    {% endif %}
)

select * from final
