{{ config(materialized='table') }}
{% set applied = state_of('stg_shop__order_batches_applied') %}
{% set checked = state_of('stg_shop__orders_checked') %}
with batches as (
    select * from {{ ref('stg_shop__order_batches') }}
),

run_begun as (
    select * from {{ ref('int_run_begun') }}
),

{% if applied and checked %}
applied as (
    select * from {{ applied }}
),

batches_held as (
    select
        batch,
        max(case when problem = 'FUTURE_ORDER|ordered_at' then 1 else 0 end) as is_waiting
    from {{ checked }}
    group by batch
),

batches_compared as (
    select
        coalesce(batches.batch, applied.batch) as batch,
        batches.fingerprint is distinct from applied.fingerprint
        or batches.row_count is distinct from applied.row_count
        or batches.checks_hash is distinct from applied.checks_hash as is_changed
    from batches
    full outer join applied on batches.batch = applied.batch
),

final as (
    select batches_compared.batch
    from batches_compared
    cross join run_begun
    where batches_compared.is_changed or run_begun.is_after_broken_run
    union
    -- An order that lay too far ahead may have come within reach, though its row is as it was. And what
    -- a broken run took in may be gone from the raw orders, and was never noted as applied.
    select batches_held.batch
    from batches_held
    cross join run_begun
    left join batches on batches_held.batch = batches.batch
    where
        batches_held.is_waiting = 1
        or batches.batch is null
        or run_begun.is_after_broken_run
)
{% else %}
final as (
    select batch from batches
)
{% endif %}

select * from final
