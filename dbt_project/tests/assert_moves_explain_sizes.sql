-- A returned row is a segment and day on which the size is not that of the day before plus those
-- who entered less those who left.
{{ config(meta={
    'description': 'Every size is that of the day before plus those who entered less those who left.',
    'dagster': {'ref': {'name': 'segment_daily_metrics'}},
}) }}

with daily_metrics as (
    select * from {{ ref('segment_daily_metrics') }}
),

compared as (
    select
        date_day,
        segment,
        customers,
        customers_entered,
        customers_left,
        lag(customers, 1, 0) over (partition by segment order by date_day) as customers_before
    from daily_metrics
),

final as (
    select *
    from compared
    where customers <> customers_before + customers_entered - customers_left
)

select * from final
