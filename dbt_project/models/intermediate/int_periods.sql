with segment_flows as (
    select * from {{ ref('int_segment_flows') }}
),

bounds as (
    select
        min(date_day) as first_day,
        {{ as_of() }} as as_of_date
    from segment_flows
    having count(*) > 0
),

days as (
    {{ explode_days('bounds', 'first_day', 'as_of_date') }}
),

days_in_periods as (
    select
        'day' as period,
        as_of_date,
        date_day as period_start,
        date_day as last_day
    from days
    {% for period in ['week', 'month'] %}
    union all
    select
        '{{ period }}' as period,
        as_of_date,
        {{ first_day_of(period, 'date_day') }} as period_start,
        {{ last_day_of(period, 'date_day') }} as last_day
    from days
    {% endfor %}
),

final as (
    select distinct
        period,
        period_start,
        last_day,
        least(last_day, as_of_date) as period_end,
        {{ add_days('period_start', -1) }} as eve,
        last_day <= as_of_date as is_complete
    from days_in_periods
)

select * from final
