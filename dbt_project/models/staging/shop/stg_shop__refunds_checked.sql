{{ config(materialized='table') }}
{% set formats = (input_settings('refunds') or {}).get('date_formats', []) %}
with refunds as (
    select * from {{ ref('base_shop__refunds') }}
),

orders as (
    select * from {{ ref('stg_shop__orders') }}
),

cleaned as (
    select
        source_file,
        source_line,
        excluded_by,
        loader_problem,
        {{ clean_id('refund_id') }} as refund_id,
        {{ clean_id('order_id') }} as order_id,
        amount_native,
        {{ clean_text('amount_text') }} as amount_text,
        refunded_at_utc,
        refunded_at_day,
        {{ clean_text('refunded_at_text') }} as refunded_at_text
    from refunds
),

parsed as (
    select
        *,
        {{ number_of('amount') }} as amount,
        {{ parse_local_time('refunded_at_text', formats) }} as refunded_at_local,
        {{ parse_instant('refunded_at_text') }} as refunded_at_instant
    from cleaned
),

dated as (
    select
        *,
        {{ day_of('refunded_at', 'refunds') }} as refund_day
    from parsed
),

-- Only the orders that are named: the order table may be long and refunds are few.
orders_refunded as (
    select
        order_id,
        sum(gross_amount - refunded_amount) as room,
        min(case when gross_amount > 0 then order_date end) as order_date
    from orders
    where order_id in (select dated.order_id from dated)
    group by order_id
),

judged as (
    select
        dated.*,
        orders_refunded.room,
        orders_refunded.order_date,
        case
            when dated.loader_problem is not null then dated.loader_problem
            when {{ is_unclean_id('dated.order_id') }}
                then {{ id_problem('dated.order_id', 'NULL_ORDER_ID', 'order_id') }}
            when dated.refund_id is not null and {{ is_unclean_id('dated.refund_id') }}
                then {{ id_problem('dated.refund_id', 'NULL_REFUND_ID', 'refund_id') }}
            when dated.refund_day is null then {{ time_problem('refunded_at') }}
            when dated.refund_day < cast('1900-01-01' as date) then 'BAD_DATE|refunded_at'
            when dated.refund_day > {{ last_known_day() }} then 'FUTURE_REFUND|refunded_at'
            when dated.amount is null and coalesce(dated.amount_text, '') = ''
                then 'NULL_AMOUNT|amount'
            when dated.amount is null then {{ decimal_problem('dated.amount_text', 'amount') }}
            when dated.amount <= 0 then 'NEGATIVE_AMOUNT|amount'
            when orders_refunded.order_id is null then 'ORPHAN_REFUND|order_id'
        end as first_problem
    from dated
    left join orders_refunded
        on dated.order_id = orders_refunded.order_id
),

-- A refund id that says two things is refused, one that is delivered twice counts once.
compared as (
    select
        *,
        case when excluded_by is null and first_problem is null then refund_id end as compared_id,
        greatest(refund_day, coalesce(order_date, refund_day)) as refund_date
    from judged
),

ids_repeated as (
    select
        compared_id,
        case
            when min(order_id) != max(order_id) then 'CONFLICTING_DUPLICATE|order_id'
            when min(refund_day) != max(refund_day) then 'CONFLICTING_DUPLICATE|refunded_at'
            when min(amount) != max(amount) then 'CONFLICTING_DUPLICATE|amount'
            else 'EXACT_DUPLICATE|refund_id'
        end as verdict
    from compared
    where compared_id is not null
    group by compared_id
    having count(*) > 1
),

ranked as (
    select
        compared.*,
        ids_repeated.verdict,
        row_number() over (
            partition by compared.compared_id
            order by compared.source_file nulls last, compared.source_line nulls last
        ) as delivery
    from compared
    left join ids_repeated
        on compared.compared_id = ids_repeated.compared_id
),

deduplicated as (
    select
        *,
        case
            when first_problem is not null then first_problem
            when verdict = 'EXACT_DUPLICATE|refund_id' and delivery = 1 then null
            else verdict
        end as second_problem
    from ranked
),

-- From the refund on that would take back more than was paid, the refunds of the order are refused.
summed as (
    select
        *,
        sum(case when excluded_by is null and second_problem is null then amount else 0 end) over (
            partition by order_id
            order by refund_date, amount, refund_id nulls last, source_file nulls last, source_line
            rows between unbounded preceding and current row
        ) as refunded_so_far
    from deduplicated
),

finished as (
    select
        *,
        case
            when second_problem is not null then second_problem
            when refunded_so_far > room then 'REFUND_EXCEEDS_ORDER|amount'
        end as problem
    from summed
),

final as (
    select
        source_file,
        source_line,
        refund_id,
        order_id,
        amount,
        refund_date,
        case
            when excluded_by is not null then 'excluded'
            when problem is null then 'accepted'
            when problem = 'EXACT_DUPLICATE|refund_id' then 'duplicate'
            else 'rejected'
        end as outcome,
        problem
    from finished
)

select * from final
