{% set has_refunds = 'refunds' in var('inputs') %}
with orders_by_day as (
    select * from {{ ref('int_orders_by_day') }}
),

{% if has_refunds %}
refunds as (
    select * from {{ ref('stg_shop__refunds') }}
),
{% endif %}

order_fingerprints as (
    select
        date_day as order_day,
        sum(order_rows) as row_count,
        sum(order_rows) as order_rows,
        sum(fingerprint) as fingerprint
    from orders_by_day
    where date_day <= {{ as_of() }}
    group by date_day
),

{% if has_refunds %}
refund_fingerprints as (
    select
        refund_date as order_day,
        count(*) as row_count,
        0 as order_rows,
        sum(cast({{ row_hash(['order_id', 'amount']) }} as decimal(38, 0))) as fingerprint
    from refunds
    where refund_date <= {{ as_of() }}
    group by refund_date
),

combined as (
    select * from order_fingerprints
    union all
    select * from refund_fingerprints
),
{% else %}
combined as (
    select * from order_fingerprints
),
{% endif %}

final as (
    select
        order_day,
        cast(sum(row_count) as bigint) as row_count,
        cast(sum(order_rows) as bigint) as order_rows,
        cast(sum(fingerprint) as decimal(38, 0)) as fingerprint
    from combined
    group by order_day
)

select * from final
