{{ config(materialized=materialized_if_text('order_lines')) }}
{% set formats = (input_settings('order_lines') or {}).get('date_formats', []) %}
with order_lines as (
    select * from {{ ref('base_shop__order_lines') }}
),

cleaned as (
    select
        source_file,
        source_line,
        excluded_by,
        loader_problem,
        {{ clean_id('order_id') }} as order_id,
        {{ clean_id('customer_id') }} as customer_id,
        {{ clean_text('product_id') }} as product_id,
        {{ clean_text('category') }} as category,
        quantity_native,
        {{ clean_text('quantity_text') }} as quantity_text,
        unit_price_native,
        {{ clean_text('unit_price_text') }} as unit_price_text,
        discount_native,
        nullif({{ clean_text('discount_text') }}, '') as discount_text,
        ordered_at_utc,
        ordered_at_day,
        {{ clean_text('ordered_at_text') }} as ordered_at_text
    from order_lines
),

parsed as (
    select
        *,
        {{ number_of('quantity') }} as quantity,
        {{ number_of('unit_price') }} as unit_price,
        {{ number_of('discount') }} as discount,
        {{ parse_local_time('ordered_at_text', formats) }} as ordered_at_local,
        {{ parse_instant('ordered_at_text') }} as ordered_at_instant
    from cleaned
),

computed as (
    select
        *,
        round(quantity * unit_price - coalesce(discount, 0), 4) as exact_amount,
        {{ utc_of('ordered_at', 'order_lines') }} as ordered_at,
        {{ day_of('ordered_at', 'order_lines') }} as order_date
    from parsed
),

judged as (
    select
        *,
        case
            when loader_problem is not null then loader_problem
            when {{ is_unclean_id('customer_id') }}
                then {{ id_problem('customer_id', 'NULL_CUSTOMER') }}
            when {{ is_unclean_id('order_id') }}
                then {{ id_problem('order_id', 'NULL_ORDER_ID') }}
        end as id_problem,
        case
            when order_date is null then {{ time_problem('ordered_at') }}
            when order_date < cast('1900-01-01' as date) then 'BAD_DATE|ordered_at'
            when order_date > {{ last_known_day() }} then 'FUTURE_ORDER|ordered_at'
            when quantity is null and coalesce(quantity_text, '') = '' then 'NULL_AMOUNT|quantity'
            when quantity is null then {{ decimal_problem('quantity_text', 'quantity') }}
            when quantity < 0 then 'NEGATIVE_AMOUNT|quantity'
            when unit_price is null and coalesce(unit_price_text, '') = ''
                then 'NULL_AMOUNT|unit_price'
            when unit_price is null then {{ decimal_problem('unit_price_text', 'unit_price') }}
            when unit_price < 0 then 'NEGATIVE_AMOUNT|unit_price'
            when discount is null and discount_text is not null
                then {{ decimal_problem('discount_text', 'discount') }}
            when exact_amount >= 100000000000000 or exact_amount <= -100000000000000
                then 'BAD_DECIMAL|unit_price'
        end as value_problem
    from computed
),

final as (
    select
        source_file,
        source_line,
        order_id,
        customer_id,
        product_id,
        category,
        quantity,
        case
            when exact_amount < 100000000000000 and exact_amount > -100000000000000
                then cast(exact_amount as decimal(18, 4))
        end as line_amount,
        order_date,
        ordered_at,
        case
            when excluded_by is not null then 'excluded'
            when coalesce(id_problem, value_problem) is not null then 'rejected'
            else 'accepted'
        end as outcome,
        coalesce(id_problem, value_problem) as problem
    from judged
)

select * from final
