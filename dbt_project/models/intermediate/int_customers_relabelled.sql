{% set applied_regimes = state_of('int_regimes_applied') %}
{% set previous_intervals = state_of('int_timeline_intervals') %}
with customers_touched as (
    select
        customer_id,
        from_day
    from {{ ref('int_customers_touched') }}
),

customer_days as (
    select * from {{ ref('int_customer_days') }}
),

regimes as (
    select * from {{ ref('int_regimes') }}
),

{% if previous_intervals %}
{% if applied_regimes %}
applied_regimes as (
    select * from {{ applied_regimes }}
),

regimes_added as (
    select * from regimes
    except
    select * from applied_regimes
),

regimes_gone as (
    select * from applied_regimes
    except
    select * from regimes
),
{% endif %}

regimes_changed as (
    {% if applied_regimes %}
    select * from regimes_added
    union all
    select * from regimes_gone
    {% else %}
    select * from regimes
    {% endif %}
),

-- A new or recut scorecard can move anybody, so everybody is labelled again.
everyone as (
    select distinct
        customer_id,
        {{ far_past() }} as from_day
    from customer_days
    where exists (select 1 from regimes_changed)
),

listed as (
    select * from customers_touched
    union all
    select * from everyone
),

final as (
    select
        customer_id,
        min(from_day) as from_day
    from listed
    group by customer_id
)
{% else %}
final as (
    select * from customers_touched
)
{% endif %}

select * from final
