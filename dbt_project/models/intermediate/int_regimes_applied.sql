-- depends_on: {{ ref('int_days_applied') }}
with regimes as (
    select * from {{ ref('int_regimes') }}
)

select * from regimes
