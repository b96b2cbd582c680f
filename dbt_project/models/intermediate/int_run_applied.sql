{# Built after everything that a later run relies on. #}
-- depends_on: {{ ref('stg_shop__order_batches_applied') }}
-- depends_on: {{ ref('int_as_of_applied') }}
-- depends_on: {{ ref('int_days_applied') }}
-- depends_on: {{ ref('int_definitions_applied') }}
-- depends_on: {{ ref('int_regimes_applied') }}
with run_begun as (
    select * from {{ ref('int_run_begun') }}
),

final as (
    select run_id
    from run_begun
)

select * from final
