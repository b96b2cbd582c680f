{% set previous_days = state_of('int_customer_days') %}
{% set previous_intervals = state_of('int_timeline_intervals') %}
{% set previous_current = state_of('int_customers_current') %}
{% set has_merges = 'customer_merges' in var('inputs') %}
{% set has_refunds = 'refunds' in var('inputs') %}
{# Where a stored day is made of the orders of that day and account alone, the two can be compared. #}
{% set is_comparable = not has_merges and not has_refunds and not var('rfm_window_days') %}
{# Where a state is the sum of all days up to its own, it can go on from the one that is stored before it. #}
{% set goes_on = previous_days and is_comparable and var('monetary_aggregate') != 'average' %}
with days_changed as (
    select order_day from {{ ref('int_days_changed') }}
),

orders as (
    select * from {{ ref('stg_shop__orders') }}
),

{% if has_refunds %}
refunds as (
    select * from {{ ref('stg_shop__refunds') }}
),
{% endif %}

account_holders as (
    select * from {{ ref('int_account_holders') }}
),

-- The first of all days is listed when nothing that is stored can be taken over.
doubts as (
    select order_day
    from days_changed
    where order_day = {{ far_past() }}
),

{% if previous_days %}
previous_days as (
    select * from {{ previous_days }}
),

{% if previous_intervals %}
previous_intervals as (
    select * from {{ previous_intervals }}
),
{% endif %}

{% if previous_current %}
previous_current as (
    select * from {{ previous_current }}
),
{% endif %}

{% if is_comparable %}
days_summed as (
    select
        customer_id,
        order_date as valid_from,
        {{ sums_of_day(order_money()) }}
    from orders
    where
        order_date in (select days_changed.order_day from days_changed)
        and (is_counted or {{ order_money() }} <> 0)
    group by customer_id, order_date
),

days_now as (
    select
        customer_id,
        valid_from,
        orders_change as day_orders,
        revenue_change as day_revenue,
        corrections > 0 as has_correction
    from days_summed
),

days_before as (
    select
        customer_id,
        valid_from,
        day_orders,
        day_revenue,
        has_correction
    from previous_days
    where valid_from in (select days_changed.order_day from days_changed)
),

-- Of all who bought on a changed day, few bought something else than is stored.
days_new as (
    select * from days_now
    except
    select * from days_before
),

days_gone as (
    select * from days_before
    except
    select * from days_now
),

concerned as (
    select
        customer_id,
        valid_from
    from days_new
    union all
    select
        customer_id,
        valid_from
    from days_gone
),
{% else %}
ordering_now as (
    select
        customer_id,
        {{ far_past() }} as valid_from
    from orders
    where order_date in (select days_changed.order_day from days_changed)
),

{% if has_refunds %}
refunded_now as (
    select
        orders.customer_id,
        {{ far_past() }} as valid_from
    from refunds
    inner join orders on refunds.order_id = orders.order_id
    where refunds.refund_date in (select days_changed.order_day from days_changed)
),
{% endif %}

ordering_before as (
    select
        customer_id,
        {{ far_past() }} as valid_from
    from previous_days
    where valid_from in (select days_changed.order_day from days_changed)
),

concerned as (
    select * from ordering_now
    union all
    select * from ordering_before
    {% if has_refunds %}
    union all
    select * from refunded_now
    {% endif %}
),
{% endif %}

-- Whom a broken run had taken out of the days, the history or the present may still know.
everybody as (
    select
        previous_days.customer_id,
        {{ far_past() }} as valid_from
    from previous_days
    cross join doubts
    {% if previous_intervals %}
    union all
    select
        previous_intervals.customer_id,
        {{ far_past() }} as valid_from
    from previous_intervals
    cross join doubts
    {% endif %}
    {% if previous_current %}
    union all
    select
        previous_current.customer_id,
        {{ far_past() }} as valid_from
    from previous_current
    cross join doubts
    {% endif %}
),

named as (
    select * from concerned
    union all
    select * from everybody
),

-- Accounts that were merged share their orders, so they are recomputed together.
{% if has_merges %}
merged_with as (
    select
        relatives.holder_id as customer_id,
        {{ far_past() }} as valid_from
    from named
    inner join account_holders
        on named.customer_id = account_holders.customer_id
        or named.customer_id = account_holders.holder_id
    inner join account_holders as relatives
        on account_holders.customer_id = relatives.customer_id
),
{% endif %}

touched as (
    select * from named
    {% if has_merges %}
    union all
    select * from merged_with
    {% endif %}
),

changed as (
    select
        customer_id,
        min(valid_from) as changed_from
    from touched
    group by customer_id
),

{% if goes_on %}
-- The last state before the first change may end on another day now: it is the first to be computed again,
-- from what was known before it.
openings as (
    select
        previous_days.customer_id,
        max(previous_days.valid_from) as valid_from
    from previous_days
    inner join changed
        on
            previous_days.customer_id = changed.customer_id
            and previous_days.valid_from < changed.changed_from
    group by previous_days.customer_id
),

opened as (
    select previous_days.*
    from previous_days
    inner join openings
        on
            previous_days.customer_id = openings.customer_id
            and previous_days.valid_from = openings.valid_from
),

final as (
    select
        changed.customer_id,
        coalesce(opened.valid_from, {{ far_past() }}) as from_day,
        case when opened.first_order_date < opened.valid_from then opened.first_order_date end as first_order_date,
        opened.previous_last_order_date as last_order_date,
        opened.previous_orders as orders,
        opened.previous_monetary as monetary
    from changed
    left join opened on changed.customer_id = opened.customer_id
)
{% endif %}
{% else %}
-- Nothing is computed yet: everybody is, without a list of them.
changed as (
    select customer_id
    from account_holders
    where false
),
{% endif %}

{% if not goes_on %}
final as (
    select
        customer_id,
        {{ far_past() }} as from_day,
        cast(null as date) as first_order_date,
        cast(null as date) as last_order_date,
        cast(null as integer) as orders,
        cast(null as decimal(18, 4)) as monetary
    from changed
)
{% endif %}

select * from final
