{% set has_refunds = 'refunds' in var('inputs') %}
{% set order_columns = [
    'order_id', 'customer_id', 'gross_amount', 'refunded_amount', 'cost_amount', 'is_counted',
] %}
with orders as (
    select * from {{ ref('stg_shop__orders') }}
),

{% if has_refunds %}
refunds as (
    select * from {{ ref('stg_shop__refunds') }}
),
{% endif %}

order_fingerprints as (
    select
        order_date as order_day,
        count(*) as row_count,
        count(*) as order_rows,
        sum(cast({{ row_hash(order_columns) }} as decimal(38, 0))) as fingerprint
    from orders
    where order_date <= {{ as_of() }}
    group by order_date
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
