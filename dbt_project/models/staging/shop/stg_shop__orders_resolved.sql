{{ config(materialized='table') }}
{% set compared = [
    'customer_id', 'ordered_at', 'amount', 'status_kind', 'refunded_amount', 'cost_amount', 'items',
    'channel',
] %}
{% set source_names = {'status_kind': 'status', 'cost_amount': 'cost'} %}
with orders_checked as (
    select * from {{ ref('stg_shop__orders_checked') }}
),

orders_repeated as (
    select * from {{ ref('stg_shop__orders_repeated') }}
),

repeated_rows as (
    select orders_checked.*
    from orders_checked
    inner join orders_repeated
        on orders_checked.order_id = orders_repeated.order_id
    where orders_checked.outcome = 'accepted'
),

-- A row that pays money back is no second delivery of its order: the two are judged apart.
rows_dated as (
    select
        *,
        max(updated_at) over (partition by order_id, is_refund_row) as newest_update
    from repeated_rows
),

rows_compared as (
    select
        *,
        coalesce(updated_at = newest_update, newest_update is null) as is_newest
    from rows_dated
),

ids_compared as (
    select
        order_id,
        case
            {% for column in compared %}
            when count({{ column }}) not in (0, count(*)) or min({{ column }}) != max({{ column }})
                then 'CONFLICTING_DUPLICATE|{{ source_names.get(column, column) }}'
            {% endfor %}
        end as conflict
    from rows_compared
    where is_newest and not is_refund_row
    group by order_id
),

order_rows_ranked as (
    select
        rows_compared.*,
        ids_compared.conflict,
        row_number() over (
            partition by rows_compared.order_id, rows_compared.is_newest
            order by rows_compared.source_file nulls last, rows_compared.source_line nulls last
        ) as delivery
    from rows_compared
    inner join ids_compared
        on rows_compared.order_id = ids_compared.order_id
    where not rows_compared.is_refund_row
),

order_rows_resolved as (
    select
        *,
        case
            when not is_newest then 'LATEST_WINS|updated_at'
            when conflict is not null then conflict
            when delivery > 1 then 'EXACT_DUPLICATE|order_id'
        end as verdict
    from order_rows_ranked
),

refund_rows_ranked as (
    select
        *,
        row_number() over (
            partition by order_id, customer_id, ordered_at, amount
            order by source_file nulls last, source_line nulls last
        ) as delivery
    from rows_compared
    where is_refund_row
),

refund_rows_summed as (
    select
        *,
        sum(case when delivery = 1 then refunded_amount else 0 end) over (
            partition by order_id
            order by ordered_at, refunded_amount, customer_id, delivery
            rows between unbounded preceding and current row
        ) as refunded_so_far
    from refund_rows_ranked
),

refund_rows_resolved as (
    select
        refund_rows_summed.*,
        case
            when refund_rows_summed.delivery > 1 then 'EXACT_DUPLICATE|order_id'
            when
                refund_rows_summed.refunded_so_far
                > order_rows_resolved.gross_amount - order_rows_resolved.refunded_amount
                then 'REFUND_EXCEEDS_ORDER|amount'
        end as verdict
    from refund_rows_summed
    left join order_rows_resolved
        on
            refund_rows_summed.order_id = order_rows_resolved.order_id
            and order_rows_resolved.verdict is null
),

{% set columns = [
    'source_file', 'source_line', 'order_id', 'customer_id', 'channel', 'amount', 'gross_amount',
    'refunded_amount', 'cost_amount', 'items', 'is_counted', 'order_date', 'ordered_at', 'verdict',
] %}
resolved as (
    select {{ columns | join(', ') }}
    from order_rows_resolved
    union all
    select {{ columns | join(', ') }}
    from refund_rows_resolved
),

final as (
    select
        *,
        case
            when verdict is null then 'accepted'
            when verdict like 'EXACT_DUPLICATE%' or verdict like 'LATEST_WINS%' then 'duplicate'
            else 'rejected'
        end as outcome,
        verdict as problem
    from resolved
)

select * from final
