-- depends_on: {{ ref('int_days_applied') }}
with definitions as (
    select * from {{ ref('int_definitions') }}
)

select * from definitions
