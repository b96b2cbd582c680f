-- depends_on: {{ ref('order_statuses') }}, {{ ref('currencies') }}
{% set is_by_line = input_settings('order_lines') is not none %}
{% if is_by_line %}
{{ config(materialized='table', partition_by=partition_of_buckets()) }}
{% else %}
{# A row that was checked stays so until its batch changes. #}
{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        partition_by=partition_of_buckets(),
        pre_hook="{{ forget_batches() }}",
    )
}}
-- depends_on: {{ ref('stg_shop__order_batches_changed') }}
{% endif %}
{% set formats = (input_settings('orders') or {}).get('date_formats', []) %}
{% set input = raw_input('orders') %}
{# The statuses of a long typed table are looked up as they are usually written, not row by row. #}
{% set is_quick = not (input_settings('orders') or {}).get('text', true) %}
{% set has_status = 'status' in input['types'] %}
{% set has_currency = 'currency' in input['types'] %}
{% if is_by_line %}
with lines as (
    select * from {{ ref('stg_shop__order_lines_checked') }}
),

orders_summed as (
    select
        order_id,
        min(customer_id) as customer_id,
        min(order_date) as order_date,
        min(ordered_at) as ordered_at,
        sum(line_amount) as amount,
        sum(quantity) as items,
        count(distinct customer_id) as customers
    from lines
    where outcome = 'accepted'
    group by order_id
),

orders_judged as (
    select
        *,
        case
            when customers > 1 then 'CONFLICTING_CUSTOMER|customer_id'
            when amount < 0 then 'NEGATIVE_AMOUNT|discount'
            when amount >= 100000000000000 then 'BAD_DECIMAL|unit_price'
        end as problem
    from orders_summed
),

final as (
    select
        {{ bucket_column('cast(0 as bigint)') }}
        cast(0 as bigint) as batch,
        cast(null as {{ dbt.type_string() }}) as source_file,
        cast(null as bigint) as source_line,
        order_id,
        customer_id,
        cast(null as {{ dbt.type_string() }}) as channel,
        'counted' as status_kind,
        cast(case when problem is null then amount end as decimal(18, 4)) as amount,
        cast(case when problem is null then amount end as decimal(18, 4)) as gross_amount,
        cast(0 as decimal(18, 4)) as refunded_amount,
        cast(null as decimal(18, 4)) as cost_amount,
        cast(items as bigint) as items,
        {{ 'amount >= 0' if var('count_zero_value_orders') else 'amount > 0' }} as is_counted,
        false as is_refund_row,
        order_date,
        ordered_at,
        cast(null as timestamp) as updated_at,
        case when problem is null then 'accepted' else 'rejected' end as outcome,
        problem
    from orders_judged
)
{% else %}
with orders as (
    select * from {{ ref('base_shop__orders') }}
    {% if is_incremental() %}
    where batch in (select changed.batch from {{ ref('stg_shop__order_batches_changed') }} as changed)
    {% endif %}
),

{% if has_status %}
statuses as (
    select
        status,
        kind
    from {{ ref('order_statuses') }}
    {% if is_quick %}
    union
    select
        upper(status) as status,
        kind
    from {{ ref('order_statuses') }}
    union
    select
        upper(substring(status, 1, 1)) || substring(status, 2) as status,
        kind
    from {{ ref('order_statuses') }}
    {% endif %}
),
{% endif %}

{% if has_currency %}
currencies as (
    select * from {{ ref('currencies') }}
),
{% endif %}

cleaned as (
    select
        batch,
        source_file,
        source_line,
        excluded_by,
        loader_problem,
        {{ clean_id('order_id') }} as order_id,
        {{ clean_id('customer_id') }} as customer_id,
        {{ 'status' if is_quick else 'lower(' ~ clean_text('status') ~ ')' }} as status,
        {{ clean_text('channel') }} as channel,
        upper({{ clean_text('currency') }}) as currency,
        amount_native,
        {{ clean_text('amount_text') }} as amount_text,
        refunded_amount_native,
        nullif({{ clean_text('refunded_amount_text') }}, '') as refunded_amount_text,
        cost_native,
        nullif({{ clean_text('cost_text') }}, '') as cost_text,
        items_native,
        nullif({{ clean_text('items_text') }}, '') as items_text,
        ordered_at_utc,
        ordered_at_day,
        {{ clean_text('ordered_at_text') }} as ordered_at_text,
        updated_at_utc,
        updated_at_day,
        nullif({{ clean_text('updated_at_text') }}, '') as updated_at_text
    from orders
),

parsed as (
    select
        *,
        {{ number_of('amount') }} as amount,
        {{ number_of('refunded_amount') }} as refunded_amount,
        {{ number_of('cost') }} as cost_amount,
        {{ number_of('items') }} as items,
        {{ parse_local_time('ordered_at_text', formats) }} as ordered_at_local,
        {{ parse_instant('ordered_at_text') }} as ordered_at_instant,
        {{ parse_local_time('updated_at_text', formats) }} as updated_at_local,
        {{ parse_instant('updated_at_text') }} as updated_at_instant
    from cleaned
),

classified as (
    select
        parsed.*,
        {% if has_status %}
        case
            when parsed.status is null then 'counted'
            else statuses.kind
        end as status_kind,
        {% else %}
        'counted' as status_kind,
        {% endif %}
        {% if has_currency %}
        coalesce(parsed.currency, '{{ var("currency") }}') as order_currency,
        currencies.currency as known_currency,
        {% else %}
        '{{ var("currency") }}' as order_currency,
        '{{ var("currency") }}' as known_currency,
        {% endif %}
        {{ utc_of('parsed.ordered_at', 'orders') }} as ordered_at,
        {{ day_of('parsed.ordered_at', 'orders') }} as order_date,
        {{ utc_of('parsed.updated_at', 'orders') }} as updated_at
    from parsed
    {% if has_status %}
    left join statuses
        on parsed.status = statuses.status
    {% endif %}
    {% if has_currency %}
    left join currencies
        on parsed.currency = currencies.currency
    {% endif %}
),

judged as (
    select
        *,
        case
            when loader_problem is not null then loader_problem
            when {{ is_unclean_id('customer_id') }}
                then {{ id_problem('customer_id', 'NULL_CUSTOMER') }}
            when {{ is_unclean_id('order_id', quick=is_quick) }}
                then {{ id_problem('order_id', 'NULL_ORDER_ID') }}
            when order_date is null then {{ time_problem('ordered_at') }}
            when order_date < cast('1900-01-01' as date) then 'BAD_DATE|ordered_at'
            when order_date > {{ last_known_day() }} then 'FUTURE_ORDER|ordered_at'
            when amount is null and coalesce(amount_text, '') = '' then 'NULL_AMOUNT|amount'
            when amount is null then {{ decimal_problem('amount_text', 'amount') }}
            when status_kind is null then 'UNKNOWN_STATUS|status'
            when amount < 0 and status_kind != 'refunded' then 'NEGATIVE_AMOUNT|amount'
            when order_currency = '{{ var("currency") }}' then null
            when order_currency = '' then 'NULL_CURRENCY|currency'
            when known_currency is null then 'UNKNOWN_CURRENCY|currency'
            else 'FOREIGN_CURRENCY|currency'
        end as first_problem
    from classified
),

judged_in_full as (
    select
        *,
        case
            when first_problem is not null then first_problem
            when refunded_amount is null and refunded_amount_text is not null
                then {{ decimal_problem('refunded_amount_text', 'refunded_amount') }}
            when refunded_amount < 0 then 'NEGATIVE_AMOUNT|refunded_amount'
            when refunded_amount > amount and amount >= 0
                then 'REFUND_EXCEEDS_ORDER|refunded_amount'
            when cost_amount is null and cost_text is not null
                then {{ decimal_problem('cost_text', 'cost') }}
            when cost_amount < 0 then 'NEGATIVE_AMOUNT|cost'
            when items is null and items_text is not null
                then {{ decimal_problem('items_text', 'items') }}
            when items < 0 then 'NEGATIVE_AMOUNT|items'
            when updated_at is null and updated_at_text is not null
                then {{ time_problem('updated_at') }}
        end as problem
    from judged
),

final as (
    select
        {{ bucket_column('batch') }}
        batch,
        source_file,
        source_line,
        order_id,
        customer_id,
        channel,
        status_kind,
        amount,
        case
            when status_kind = 'cancelled' or amount < 0 then cast(0 as decimal(18, 4))
            else amount
        end as gross_amount,
        case
            when status_kind = 'cancelled' then cast(0 as decimal(18, 4))
            when amount < 0 then cast(-amount as decimal(18, 4))
            when status_kind = 'refunded' then coalesce(refunded_amount, amount)
            else coalesce(refunded_amount, cast(0 as decimal(18, 4)))
        end as refunded_amount,
        case when status_kind != 'cancelled' then cost_amount end as cost_amount,
        cast(items as bigint) as items,
        {%- if var('count_zero_value_orders') %}
        amount > 0 and status_kind != 'cancelled' or amount = 0 and status_kind = 'counted' as is_counted,
        {%- else %}
        amount > 0 and status_kind != 'cancelled' as is_counted,
        {%- endif %}
        amount < 0 as is_refund_row,
        order_date,
        ordered_at,
        updated_at,
        case
            when excluded_by is not null then 'excluded'
            when problem is not null then 'rejected'
            else 'accepted'
        end as outcome,
        problem
    from judged_in_full
)
{% endif %}

select * from final
