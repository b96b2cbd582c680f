{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        partition_by=partition_of_buckets(),
        pre_hook="{{ forget_days_of_customers('int_customers_touched') }}",
    )
}}
{% set has_refunds = 'refunds' in var('inputs') %}
{% set has_merges = 'customer_merges' in var('inputs') %}
{% set window_days = var('rfm_window_days') %}
{% set is_average = var('monetary_aggregate') == 'average' %}
{# Without merges and without a window, every movement counts from its own day on, for good. #}
{% set is_plain = not has_merges and not window_days %}
{# With a window or an average, money is not what a customer brought in all; that is kept beside it. #}
{% set keeps_revenue = window_days or is_average %}
with orders as (
    select * from {{ ref('stg_shop__orders') }}
),

customers_touched as (
    select * from {{ ref('int_customers_touched') }}
),

{% if has_refunds %}
refunds as (
    select * from {{ ref('stg_shop__refunds') }}
),
{% endif %}

{% if has_merges %}
account_holders as (
    select * from {{ ref('int_account_holders') }}
),
{% endif %}

{% set is_of_touched = is_incremental() and not has_merges %}
{% if is_of_touched %}
orders_touched as (
    select orders.*
    from orders
    inner join customers_touched
        on
            orders.customer_id = customers_touched.customer_id
            and orders.order_date >= customers_touched.from_day
),
{% endif %}

orders_in_scope as (
    select
        customer_id,
        order_id,
        order_date as movement_date,
        {% if is_plain %}is_counted{% else %}case when is_counted then 1 else 0 end as counted_orders{% endif %},
        {{ order_money() }} as revenue
    from {{ 'orders_touched' if is_of_touched else 'orders' }}
    where
        order_date <= {{ as_of() }}
        and (is_counted or {{ order_money() }} <> 0)
),

{% if has_refunds %}
-- An order is there once as a sale, and once more for each row that pays money back under its number.
refunds_in_scope as (
    select
        orders_in_scope.customer_id,
        orders_in_scope.order_id,
        refunds.refund_date as movement_date,
        {% if is_plain %}false as is_counted{% else %}0 as counted_orders{% endif %},
        -refunds.amount as revenue
    from refunds
    inner join orders_in_scope on refunds.order_id = orders_in_scope.order_id
    where
        {{ 'orders_in_scope.is_counted' if is_plain else 'orders_in_scope.counted_orders > 0' }}
        and refunds.refund_date <= {{ as_of() }}
        {% if var('monetary_measure') == 'gross' %}
        and false
        {% endif %}
),
{% endif %}

movements as (
    select * from orders_in_scope
    {% if has_refunds %}
    union all
    select * from refunds_in_scope
    {% endif %}
    {{ gathered_by('customer_id') if not has_merges }}
),

{% if is_plain %}
days as (
    select
        customer_id,
        movement_date as valid_from,
        {{ sums_of_day('revenue') }}
    from movements
    group by customer_id, movement_date
),

days_described as (
    select
        customer_id,
        valid_from,
        {{ far_future() }} as known_to,
        case when orders_change > 0 then valid_from end as first_order_date,
        case when orders_change > 0 then valid_from end as last_order_date,
        orders_change > 0 as has_own_order,
        false as has_inherited_order,
        false as has_window_exit,
        corrections > 0 as has_correction,
        orders_change as day_orders,
        revenue_change as day_revenue,
        orders_change,
        revenue_change,
        revenue_change as known_revenue
    from days
),
{% else %}
{% if has_merges %}
-- An account hands its whole past to the one that takes it over, on the day it does.
movements_held as (
    select
        coalesce(account_holders.holder_id, movements.customer_id) as customer_id,
        movements.movement_date,
        greatest(movements.movement_date, coalesce(account_holders.held_from, movements.movement_date)) as known_from,
        coalesce(account_holders.held_to, {{ far_future() }}) as known_to,
        movements.counted_orders,
        movements.revenue
    from movements
    left join account_holders on movements.customer_id = account_holders.customer_id
),

movements_kept as (
    select *
    from movements_held
    where
        known_from < known_to
        {% if is_incremental() %}
        and customer_id in (select touched.customer_id from customers_touched as touched)
        {% endif %}
    {{ gathered_by('customer_id') }}
),
{% else %}
movements_kept as (
    select
        customer_id,
        movement_date,
        movement_date as known_from,
        {{ far_future() }} as known_to,
        counted_orders,
        revenue
    from movements
),
{% endif %}

{% if window_days %}
movements_in_window as (
    select
        *,
        {{ add_days('movement_date', window_days) }} as leaves_on
    from movements_kept
),

movements_entering as (
    select
        customer_id,
        known_from as valid_from,
        known_to,
        movement_date,
        counted_orders,
        case when leaves_on > known_from then counted_orders else 0 end as orders_change,
        case when leaves_on > known_from then revenue else 0 end as revenue_change,
        revenue as known_revenue,
        false as is_window_exit
    from movements_in_window
),

movements_leaving as (
    select
        customer_id,
        leaves_on as valid_from,
        known_to,
        movement_date,
        0 as counted_orders,
        -counted_orders as orders_change,
        -revenue as revenue_change,
        0 as known_revenue,
        true as is_window_exit
    from movements_in_window
    where
        leaves_on > known_from
        and leaves_on < known_to
),

changes as (
    select * from movements_entering
    union all
    select * from movements_leaving
),
{% else %}
changes as (
    select
        customer_id,
        known_from as valid_from,
        known_to,
        movement_date,
        counted_orders,
        counted_orders as orders_change,
        revenue as revenue_change,
        revenue as known_revenue,
        false as is_window_exit
    from movements_kept
),
{% endif %}

changes_described as (
    select
        *,
        movement_date = valid_from and not is_window_exit as is_own,
        movement_date < valid_from and not is_window_exit as is_inherited
    from changes
),

days as (
    select
        customer_id,
        valid_from,
        max(known_to) as known_to,
        min(case when counted_orders > 0 then movement_date end) as first_order_date,
        max(case when counted_orders > 0 then movement_date end) as last_order_date,
        count(case when is_own and counted_orders > 0 then 1 end) as own_orders,
        count(case when is_own and counted_orders = 0 then 1 end) as corrections,
        count(case when is_inherited then 1 end) as inherited_movements,
        count(case when is_window_exit then 1 end) as window_exits,
        sum(case when is_own then counted_orders else 0 end) as day_orders,
        sum(case when is_own then revenue_change else 0 end) as day_revenue,
        sum(orders_change) as orders_change,
        sum(revenue_change) as revenue_change,
        sum(known_revenue) as known_revenue
    from changes_described
    group by customer_id, valid_from
),

days_described as (
    select
        customer_id,
        valid_from,
        known_to,
        first_order_date,
        last_order_date,
        own_orders > 0 as has_own_order,
        inherited_movements > 0 as has_inherited_order,
        window_exits > 0 as has_window_exit,
        corrections > 0 as has_correction,
        cast(day_orders as integer) as day_orders,
        cast(day_revenue as decimal(18, 4)) as day_revenue,
        cast(orders_change as integer) as orders_change,
        cast(revenue_change as decimal(18, 4)) as revenue_change,
        cast(known_revenue as decimal(18, 4)) as known_revenue
    from days
),
{% endif %}

{% if is_plain and is_incremental() %}
-- What is stored of earlier days is where the sums go on from.
days_opened as (
    select
        days_described.*,
        customers_touched.first_order_date as opened_first_date,
        customers_touched.last_order_date as opened_last_date,
        coalesce(customers_touched.orders, 0) as opened_orders,
        coalesce(customers_touched.monetary, 0) as opened_revenue
    from days_described
    inner join customers_touched on days_described.customer_id = customers_touched.customer_id
),
{% elif is_plain %}
days_opened as (
    select
        *,
        cast(null as date) as opened_first_date,
        cast(null as date) as opened_last_date,
        0 as opened_orders,
        0 as opened_revenue
    from days_described
),
{% endif %}

running as (
    select
        customer_id,
        valid_from,
        known_to,
        has_own_order,
        has_inherited_order,
        has_window_exit,
        has_correction,
        day_orders,
        day_revenue,
        orders_change,
        revenue_change,
        known_revenue,
        lead(valid_from) over (partition by customer_id order by valid_from) as next_valid_from,
        {% if is_plain %}
        coalesce(opened_first_date, min(first_order_date) over (partition by customer_id)) as first_ever_order_date,
        last_order_date as own_order_date,
        coalesce(max(last_order_date) over customer_before, opened_last_date) as previous_last_order_date,
        cast(opened_orders + sum(orders_change) over customer_so_far as integer) as orders,
        cast(opened_revenue + sum(revenue_change) over customer_so_far as decimal(18, 4)) as revenue
        {% else %}
        min(first_order_date) over customer_so_far as first_order_date,
        max(last_order_date) over customer_so_far as last_order_date,
        min(first_order_date) over customer_before as previous_first_order_date,
        max(last_order_date) over customer_before as previous_last_order_date,
        cast(sum(orders_change) over customer_so_far as integer) as orders,
        cast(sum(revenue_change) over customer_so_far as decimal(18, 4)) as revenue
        {% endif %}
    from {{ 'days_opened' if is_plain else 'days_described' }}
    window
        customer_so_far as (
            partition by customer_id order by valid_from
            rows between unbounded preceding and current row
        ),
        customer_before as (
            partition by customer_id order by valid_from
            rows between unbounded preceding and 1 preceding
        )
),

valued as (
    select
        *,
        {% if is_plain %}
        -- What is known from its own day on needs no running minimum and maximum.
        case when valid_from >= first_ever_order_date then first_ever_order_date end as first_order_date,
        coalesce(own_order_date, previous_last_order_date) as last_order_date,
        {% endif %}
        orders - orders_change as previous_orders,
        {% if is_average %}
        case
            when orders > 0 then {{ exact_average('revenue', 'orders') }}
            else cast(0 as decimal(18, 4))
        end as monetary,
        case
            when orders > orders_change
                then {{ exact_average('(revenue - revenue_change)', '(orders - orders_change)') }}
            else cast(0 as decimal(18, 4))
        end as previous_monetary
        {% else %}
        revenue as monetary,
        cast(revenue - revenue_change as decimal(18, 4)) as previous_monetary
        {% endif %}
    from running
),

{% if is_plain and not is_average %}
changing as (
    select * from valued
),
{% else %}
-- A day that changes nothing that a label is made of starts no new state. It is kept, as a state of
-- no length, for a later run to find whose day it was.
days_compared as (
    select
        *,
        orders <> previous_orders
        or monetary <> previous_monetary
        or first_order_date is distinct from {{ 'previous_first_order_date' if not is_plain else 'first_order_date' }}
        or last_order_date is distinct from previous_last_order_date as is_changing
    from valued
),

changing as (
    select
        *,
        min(case when is_changing then valid_from end) over (
            partition by customer_id order by valid_from
            rows between 1 following and unbounded following
        ) as next_changing_day
    from days_compared
),
{% endif %}

final as (
    select
        {{ bucket_column('customer_id') }}
        customer_id,
        valid_from,
        {% if is_plain and not is_average %}
        coalesce(next_valid_from, known_to) as valid_to,
        {% else %}
        case when is_changing then coalesce(next_changing_day, known_to) else valid_from end as valid_to,
        {% endif %}
        first_order_date,
        last_order_date,
        previous_last_order_date,
        orders,
        previous_orders,
        monetary,
        previous_monetary,
        has_own_order,
        has_inherited_order,
        has_window_exit,
        has_correction,
        day_orders,
        day_revenue,
        {{ 'known_revenue' if keeps_revenue else 'cast(null as decimal(18, 4)) as known_revenue' }}
    from changing
)

select * from final
{{ in_customer_order() }}
