-- A returned row is a customer who is in what an audience describes on the as-of date, or was on an earlier
-- day, and whom the events in between do not lead from the one to the other.
{{ config(meta={
    'description': 'Who an audience describes today is who it described on an earlier day, plus who entered, less who left since.',
    'dagster': {'ref': {'name': 'audience_events'}},
}) }}

with candidates as (
    select * from {{ ref('activation_candidates') }}
),

events as (
    select * from {{ ref('audience_events') }}
),

-- The day before, and the days of campaigns as far back as the log goes.
earlier_days as (
    select
        audience,
        as_of_date as date_day
    from {{ ref('activation_days') }}
    where
        as_of_date < {{ as_of() }}
        and as_of_date >= {{ add_days(as_of(), '0 - ' ~ limit_of('events_days')) }}
),

counted as (
    select
        earlier_days.audience,
        earlier_days.date_day,
        candidates.customer_id,
        1 as customers
    from earlier_days
    inner join candidates
        on
            earlier_days.audience = candidates.audience
            and candidates.as_of_date = {{ as_of() }}
    union all
    select
        earlier_days.audience,
        earlier_days.date_day,
        candidates.customer_id,
        -1 as customers
    from earlier_days
    inner join candidates
        on
            earlier_days.audience = candidates.audience
            and earlier_days.date_day = candidates.as_of_date
    union all
    select
        earlier_days.audience,
        earlier_days.date_day,
        events.customer_id,
        case when events.event = 'entered' then -1 else 1 end as customers
    from earlier_days
    inner join events
        on
            earlier_days.audience = events.audience
            and earlier_days.date_day < events.event_date
),

final as (
    select
        audience,
        date_day,
        customer_id
    from counted
    group by audience, date_day, customer_id
    having sum(customers) <> 0
)

select * from final
