{# The one pass over all rows that looks for those that stay out or have to wait. #}
{{ config(materialized='table') }}
{% set is_by_line = input_settings('order_lines') is not none %}
{% set columns = ['source_file', 'source_line', 'outcome', 'problem'] %}
{# What else may come in: the day on which a row counts. Whom it names stays unsaid. #}
{% set days = {
    'customers': 'cast(null as date)',
    'customer_merges': 'merge_date',
    'consents': 'given_on',
    'suppressions': 'added_on',
    'erasures': 'requested_on',
    'contacts': 'contact_date',
    'responses': 'response_date',
    'campaigns': 'cast(null as date)',
} %}
with orders_checked as (
    select * from {{ ref('stg_shop__orders_checked') }}
),

{% if is_by_line %}
order_lines_checked as (
    select * from {{ ref('stg_shop__order_lines_checked') }}
),
{% else %}
orders_repeated as (
    select * from {{ ref('stg_shop__orders_repeated') }}
),

orders_resolved as (
    select * from {{ ref('stg_shop__orders_resolved') }}
),
{% endif %}

refunds_checked as (
    select * from {{ ref('stg_shop__refunds_checked') }}
),

{% for input in days %}
{{ input }}_checked as (
    select * from {{ ref('stg_shop__' ~ input ~ '_checked') }}
),

{% endfor %}
{% if is_by_line %}
-- A line is what was received; an order that is refused as a whole takes its lines with it.
orders_judged as (
    select
        'order_lines' as source,
        order_lines_checked.source_file,
        order_lines_checked.source_line,
        case
            when order_lines_checked.outcome = 'accepted' then orders_checked.outcome
            else order_lines_checked.outcome
        end as outcome,
        coalesce(order_lines_checked.problem, orders_checked.problem) as problem,
        order_lines_checked.order_id as row_key,
        order_lines_checked.line_amount as amount,
        order_lines_checked.order_date as day
    from order_lines_checked
    left join orders_checked
        on
            order_lines_checked.order_id = orders_checked.order_id
            and order_lines_checked.outcome = 'accepted'
),
{% else %}
orders_judged as (
    select
        'orders' as source,
        orders_checked.source_file,
        orders_checked.source_line,
        orders_checked.outcome,
        orders_checked.problem,
        orders_checked.order_id as row_key,
        orders_checked.amount,
        orders_checked.order_date as day
    from orders_checked
    left join orders_repeated
        on orders_checked.order_id = orders_repeated.order_id
    where orders_checked.outcome != 'accepted' or orders_repeated.order_id is null
    union all
    select
        'orders' as source,
        {{ columns | join(', ') }},
        order_id as row_key,
        amount,
        order_date as day
    from orders_resolved
),
{% endif %}

rows_judged as (
    select * from orders_judged
    union all
    select
        'refunds' as source,
        {{ columns | join(', ') }},
        coalesce(refund_id, order_id) as row_key,
        amount,
        refund_date as day
    from refunds_checked
    {% for input, day in days.items() %}
    union all
    select
        '{{ input }}' as source,
        {{ columns | join(', ') }},
        {{ 'campaign_id' if input == 'campaigns' else 'cast(null as ' ~ dbt.type_string() ~ ')' }} as row_key,
        cast(null as decimal(18, 4)) as amount,
        {{ day }} as day
    from {{ input }}_checked
    {% endfor %}
),

final as (
    select
        source,
        source_file,
        source_line,
        row_key,
        amount,
        case when outcome = 'accepted' then 'held' else outcome end as outcome,
        problem
    from rows_judged
    where outcome != 'accepted' or day > {{ newest_day() }}
)

select * from final
