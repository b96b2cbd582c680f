{% set applied_days = state_of('int_days_applied') %}
{% set applied_definitions = state_of('int_definitions_applied') %}
with order_days as (
    select * from {{ ref('int_order_days') }}
),

definitions as (
    select * from {{ ref('int_definitions') }}
),

run_begun as (
    select * from {{ ref('int_run_begun') }}
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

doubts as (
    select definition_changes.change_count > 0 or run_begun.is_after_broken_run as is_everything_in_doubt
    from definition_changes
    cross join run_begun
),

-- A changed order concerns its own day only; a changed definition, or a run that broke, every day
-- and whatever is stored under days that are gone: the first of all days stands for that.
final as (
    select coalesce(order_days.order_day, applied_days.order_day) as order_day
    from order_days
    full outer join applied_days
        on order_days.order_day = applied_days.order_day
    cross join doubts
    where
        order_days.fingerprint is distinct from applied_days.fingerprint
        or order_days.row_count is distinct from applied_days.row_count
        or doubts.is_everything_in_doubt
    union
    select {{ far_past() }} as order_day
    from doubts
    where is_everything_in_doubt
)
{% else %}
final as (
    select order_day from order_days
)
{% endif %}

select * from final
