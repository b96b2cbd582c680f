{% set is_by_line = input_settings('order_lines') is not none %}
{% set has_refunds = input_settings('refunds') is not none %}
{% set has_merges = input_settings('customer_merges') is not none %}
{% set source = 'order_lines' if is_by_line else 'orders' %}
{% set is_total = var('monetary_aggregate') == 'total' %}
{# Money counts from the day after this one on. #}
{% set window_days = var('rfm_window_days') %}
{% set window_eve = add_days(as_of(), 0 - window_days) if window_days else add_days(far_past(), -1) %}
{% set measure = var('monetary_measure') %}
{% set money_of = {
    'net': 'gross_amount - refunded_amount',
    'gross': 'gross_amount',
    'margin': 'gross_amount - refunded_amount - coalesce(cost_amount, 0)',
}[measure] %}
with received as (
    select * from {{ ref('base_shop__' ~ source) }}
),

order_intake as (
    select * from {{ ref('order_intake') }}
),

rows_set_apart as (
    select * from {{ ref('stg_shop__rows_set_apart') }}
    where source = '{{ source }}'
),

orders as (
    select * from {{ ref('stg_shop__orders') }}
),

{% if is_by_line %}
order_lines_checked as (
    select * from {{ ref('stg_shop__order_lines_checked') }}
),
{% endif %}

orders_by_day as (
    select * from {{ ref('int_orders_by_day') }}
),

{% if has_refunds %}
refunds as (
    select * from {{ ref('stg_shop__refunds') }}
),
{% endif %}

account_holders as (
    select * from {{ ref('int_account_holders') }}
),

customer_days as (
    select * from {{ ref('int_customer_days') }}
),

current_customers as (
    select * from {{ ref('int_customers_current') }}
),

daily_metrics as (
    select * from {{ ref('segment_daily_metrics') }}
    where date_day = {{ as_of() }}
),

-- What was received, counted where it comes in, and what became of it, counted where it ended up.
rows_received as (
    select count(*) as row_count
    from received
),

money_received as (
    {% if is_by_line %}
    select sum(line_amount) as amount
    from order_lines_checked
    {% else %}
    select sum(received_amount) as amount
    from order_intake
    {% endif %}
),

rows_accepted as (
    {% if is_by_line %}
    select count(*) as row_count
    from order_lines_checked
    inner join orders on order_lines_checked.order_id = orders.order_id
    where order_lines_checked.outcome = 'accepted'
    {% else %}
    select sum(order_rows) as row_count
    from orders_by_day
    {% endif %}
),

money_accepted as (
    select sum(amount) as amount
    from orders_by_day
),

refused as (
    select
        count(*) as row_count,
        sum(amount) as amount
    from rows_set_apart
    where outcome <> 'held'
),

labelled as (
    select
        count(*) as customers,
        sum(monetary) as monetary
    from current_customers
),

sizes as (
    select
        sum(customers) as customers,
        sum(monetary) as monetary
    from daily_metrics
),

{% if is_total %}
-- Money of accounts that never had a counted order: a cost without a sale, for example.
unlabelled as (
    select sum(monetary) as monetary
    from customer_days
    where
        last_order_date is null
        and valid_from <= {{ as_of() }}
        and valid_to > {{ as_of() }}
),

orders_in_force as (
    select sum({{ money_of }}) as revenue
    from orders_by_day
    where
        date_day <= {{ as_of() }}
        and date_day > {{ window_eve }}
),

refunds_in_force as (
    {% if has_refunds and measure != 'gross' %}
    select sum(amount) as amount
    from refunds
    where
        refund_date <= {{ as_of() }}
        and refund_date > {{ window_eve }}
    {% else %}
    select 0 as amount
    {% endif %}
),
{% endif %}

{% if is_total and has_merges %}
relatives as (
    select customer_id from account_holders
    union
    select holder_id as customer_id from account_holders
),

orders_before_merging as (
    select
        orders.order_id,
        orders.order_date,
        orders.gross_amount > 0 as is_sale,
        {{ money_of }} as revenue
    from orders
    inner join relatives on orders.customer_id = relatives.customer_id
    where orders.order_date <= {{ as_of() }}
),

money_before_merging as (
    select sum(revenue) as revenue
    from orders_before_merging
    where order_date > {{ window_eve }}
),

refunds_before_merging as (
    {% if has_refunds and measure != 'gross' %}
    select sum(refunds.amount) as amount
    from refunds
    inner join orders_before_merging on refunds.order_id = orders_before_merging.order_id
    where
        orders_before_merging.is_sale
        and refunds.refund_date <= {{ as_of() }}
        and refunds.refund_date > {{ window_eve }}
    {% else %}
    select 0 as amount
    {% endif %}
),

money_after_merging as (
    select sum(customer_days.monetary) as monetary
    from customer_days
    inner join relatives on customer_days.customer_id = relatives.customer_id
    where
        customer_days.valid_from <= {{ as_of() }}
        and customer_days.valid_to > {{ as_of() }}
),
{% endif %}

identities as (
    select
        'orders_rows' as identity,
        rows_received.row_count as left_value,
        coalesce(rows_accepted.row_count, 0) + refused.row_count as right_value
    from rows_received
    cross join rows_accepted
    cross join refused
    union all
    select
        'orders_money' as identity,
        coalesce(money_received.amount, 0) as left_value,
        coalesce(money_accepted.amount, 0) + coalesce(refused.amount, 0) as right_value
    from money_received
    cross join money_accepted
    cross join refused
    union all
    select
        'segments_customers' as identity,
        coalesce(sizes.customers, 0) as left_value,
        labelled.customers as right_value
    from sizes
    cross join labelled
    union all
    select
        'segments_money' as identity,
        coalesce(sizes.monetary, 0) as left_value,
        coalesce(labelled.monetary, 0) as right_value
    from sizes
    cross join labelled
    {% if is_total %}
    union all
    select
        'timeline_money' as identity,
        coalesce(labelled.monetary, 0) + coalesce(unlabelled.monetary, 0) as left_value,
        coalesce(orders_in_force.revenue, 0) - coalesce(refunds_in_force.amount, 0) as right_value
    from labelled
    cross join unlabelled
    cross join orders_in_force
    cross join refunds_in_force
    {% endif %}
    {% if is_total and has_merges %}
    union all
    select
        'merge_money' as identity,
        coalesce(money_before_merging.revenue, 0) - coalesce(refunds_before_merging.amount, 0) as left_value,
        coalesce(money_after_merging.monetary, 0) as right_value
    from money_before_merging
    cross join refunds_before_merging
    cross join money_after_merging
    {% endif %}
),

final as (
    select
        identity,
        cast(left_value as decimal(38, 4)) as left_value,
        cast(right_value as decimal(38, 4)) as right_value
    from identities
)

select * from final
