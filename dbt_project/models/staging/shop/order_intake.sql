{{ config(materialized='table') }}
{% set outcomes = {
    'accepted': 'accepted', 'duplicate': 'duplicate', 'excluded': 'excluded',
    'rejected': 'rejected',
} %}
with orders as (
    select * from {{ ref('base_shop__orders') }}
),

order_lines as (
    select * from {{ ref('base_shop__order_lines') }}
),

rows_judged as (
    select * from {{ ref('stg_shop__rows_judged') }}
),

-- Counted where the rows come in, not as the sum of what became of them.
rows_received as (
    select
        'orders' as source,
        source_file,
        count(*) as received_rows
    from orders
    group by source_file
    union all
    select
        'order_lines' as source,
        source_file,
        count(*) as received_rows
    from order_lines
    group by source_file
),

rows_counted as (
    select
        source,
        source_file,
        {% for outcome in outcomes %}
        count(*) filter (where outcome = '{{ outcome }}') as {{ outcome }}_rows,
        sum(case when outcome = '{{ outcome }}' then amount end) as {{ outcome }}_amount,
        {% endfor %}
        count(*) filter (
            where outcome = 'accepted' and day > cast('{{ var("as_of_date") }}' as date)
        ) as held_rows,
        sum(amount) as received_amount
    from rows_judged
    where source in ('orders', 'order_lines')
    group by source, source_file
),

final as (
    select
        rows_received.source,
        rows_received.source_file as file,
        rows_received.received_rows,
        {% for outcome in outcomes %}
        coalesce(rows_counted.{{ outcome }}_rows, 0) as {{ outcome }}_rows,
        {% endfor %}
        coalesce(rows_counted.held_rows, 0) as held_rows,
        cast(coalesce(rows_counted.received_amount, 0) as decimal(38, 4)) as received_amount,
        {% for outcome in outcomes %}
        cast(coalesce(rows_counted.{{ outcome }}_amount, 0) as decimal(38, 4))
            as {{ outcome }}_amount{{ ',' if not loop.last }}
        {% endfor %}
    from rows_received
    left join rows_counted
        on
            rows_received.source = rows_counted.source
            and coalesce(rows_received.source_file, '') = coalesce(rows_counted.source_file, '')
)

select * from final
