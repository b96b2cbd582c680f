-- A returned row is a period whose moves do not add up: by cause to those who moved, or from the size on
-- its eve to the size at its end.
{{ config(meta={
    'description': 'The moves of a period add up by cause, and lead from the size at its start to that at its end.',
    'dagster': {'ref': {'name': 'segment_movement'}},
}) }}

with movement as (
    select * from {{ ref('segment_movement') }}
),

daily_metrics as (
    select * from {{ ref('segment_daily_metrics') }}
),

sizes as (
    select
        date_day,
        sum(customers) as customers
    from daily_metrics
    group by date_day
),

compared as (
    select
        movement.*,
        coalesce(starts.customers, 0) as size_at_start,
        ends.customers as size_at_end
    from movement
    left join sizes as starts on movement.period_start = {{ add_days('starts.date_day', 1) }}
    left join sizes as ends on movement.period_end = ends.date_day
),

final as (
    select *
    from compared
    where
        customers_moved <> moved_bought + moved_aged + moved_window_exit + moved_recalibrated
        + moved_rules_changed + moved_corrected + moved_merged
        or customers_at_start <> size_at_start
        or size_at_end is distinct from customers_at_start + customers_joined - customers_left
)

select * from final
