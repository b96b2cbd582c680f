{% set channel_days = 365 %}
{% set has_merges = 'customer_merges' in var('inputs') %}
with orders as (
    select
        customer_id,
        channel
    from {{ ref('stg_shop__orders') }}
    where
        is_counted
        and channel <> ''
        and order_date <= {{ as_of() }}
        and order_date > {{ add_days(as_of(), 0 - channel_days) }}
),

{% if has_merges %}
account_holders as (
    select * from {{ ref('int_account_holders') }}
    where
        held_from <= {{ as_of() }}
        and held_to > {{ as_of() }}
),
{% endif %}

current_customers as (
    select * from {{ ref('int_customers_current') }}
),

orders_held as (
    {% if has_merges %}
    select
        coalesce(account_holders.holder_id, orders.customer_id) as customer_id,
        orders.channel
    from orders
    left join account_holders on orders.customer_id = account_holders.customer_id
    {% else %}
    select * from orders
    {% endif %}
),

counted as (
    select
        current_customers.segment_code,
        orders_held.channel,
        count(*) as orders
    from orders_held
    inner join current_customers on orders_held.customer_id = current_customers.customer_id
    group by current_customers.segment_code, orders_held.channel
),

ranked as (
    select
        *,
        sum(orders) over (partition by segment_code) as all_orders,
        row_number() over (partition by segment_code order by orders desc, channel asc) as place
    from counted
),

final as (
    select
        segment_code,
        channel as order_channel,
        {{ exact_share('orders', 'all_orders') }} as order_channel_share
    from ranked
    where place = 1
)

select * from final
