{% set applied_regimes = state_of('int_regimes_applied') %}
{% set applied_as_of = state_of('int_as_of_applied') %}
with days_changed as (
    select * from {{ ref('int_days_changed') }}
),

regimes as (
    select * from {{ ref('int_regimes') }}
),

{% if applied_regimes and applied_as_of %}
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

regimes_changed as (
    select * from regimes_added
    union all
    select * from regimes_gone
),

starts as (
    select min(order_day) as from_day from days_changed
    union all
    select min(valid_from) as from_day from regimes_changed
    union all
    select {{ add_days('max(as_of_date)', 1) }} as from_day from {{ applied_as_of }}
),

applied as (
    select max(as_of_date) as applied_as_of_date from {{ applied_as_of }}
),
{% else %}
starts as (
    select {{ far_past() }} as from_day
),

applied as (
    select {{ far_past() }} as applied_as_of_date
),
{% endif %}

-- History before this day is as the last run left it.
final as (
    select
        coalesce(min(starts.from_day), {{ far_past() }}) as from_day,
        max(applied.applied_as_of_date) as applied_as_of_date
    from starts
    cross join applied
)

select * from final
