{% set applied_days = state_of('int_days_applied') %}
{% set applied_definitions = state_of('int_definitions_applied') %}
with order_days as (
    select * from {{ ref('int_order_days') }}
),

definitions as (
    select * from {{ ref('int_definitions') }}
),

{% if applied_days and applied_definitions %}
applied_days as (
    select * from {{ applied_days }}
),

applied_definitions as (
    select * from {{ applied_definitions }}
),

definition_changes as (
    select count(*) as change_count
    from definitions
    full outer join applied_definitions
        on definitions.definition = applied_definitions.definition
    where definitions.content_hash is distinct from applied_definitions.content_hash
),

-- A changed definition concerns every day; a changed order only its own.
final as (
    select coalesce(order_days.order_day, applied_days.order_day) as order_day
    from order_days
    full outer join applied_days
        on order_days.order_day = applied_days.order_day
    cross join definition_changes
    where
        order_days.fingerprint is distinct from applied_days.fingerprint
        or order_days.row_count is distinct from applied_days.row_count
        or definition_changes.change_count > 0
)
{% else %}
final as (
    select order_day from order_days
)
{% endif %}

select * from final
