with audiences_given as (
    select * from {{ ref('audiences') }}
    where preset in ('*', '{{ var("segment_preset") }}')
),

periods as (
    select * from {{ ref('activation_periods') }}
),

-- Within a period only the days of silence pass, so an audience describes one run of its days.
runs as (
    select
        audiences_given.audience,
        periods.customer_id,
        greatest(
            periods.valid_from,
            coalesce(
                {{ add_days('periods.last_order_date', 'audiences_given.min_silence_days') }}, periods.valid_from
            )
        ) as described_from,
        least(
            periods.valid_to,
            coalesce(
                {{ add_days('periods.last_order_date', 'audiences_given.max_silence_days + 1') }}, periods.valid_to
            )
        ) as described_to
    from audiences_given
    inner join periods on {{ has_state_of('audiences_given', 'periods') }}
    where
        periods.last_order_date is not null
        or (audiences_given.min_silence_days is null and audiences_given.max_silence_days is null)
),

run_ends as (
    select
        audience,
        customer_id,
        described_from as date_day,
        1 as step
    from runs
    where described_from < described_to
    union all
    select
        audience,
        customer_id,
        described_to as date_day,
        -1 as step
    from runs
    where described_from < described_to
),

period_ends as (
    select
        customer_id,
        valid_from as date_day,
        1 as step
    from periods
    union all
    select
        customer_id,
        valid_to as date_day,
        -1 as step
    from periods
),

-- Where it begins and ends that a customer is described, was or will be, and is there at all.
steps as (
    select
        audience,
        customer_id,
        date_day,
        step as here_step,
        0 as other_step,
        0 as present_step
    from run_ends
    union all
    select
        run_ends.audience,
        run_ends.customer_id,
        case
            when audiences_given.kind = 'about_to_leave'
                then {{ add_days('run_ends.date_day', '0 - audiences_given.within_days') }}
            else {{ add_days('run_ends.date_day', 'audiences_given.within_days') }}
        end as date_day,
        0 as here_step,
        run_ends.step as other_step,
        0 as present_step
    from run_ends
    inner join audiences_given on run_ends.audience = audiences_given.audience
    where audiences_given.kind <> 'state'
    union all
    -- Only who left a description may have left the shop.
    select
        audiences_given.audience,
        period_ends.customer_id,
        period_ends.date_day,
        0 as here_step,
        0 as other_step,
        period_ends.step as present_step
    from audiences_given
    cross join period_ends
    where audiences_given.kind = 'leaving'
),

-- Where one run ends and the next begins, nothing happens.
steps_netted as (
    select
        audience,
        customer_id,
        date_day,
        sum(here_step) as here_step,
        sum(other_step) as other_step,
        sum(present_step) as present_step
    from steps
    where date_day <= {{ as_of() }}
    group by audience, customer_id, date_day
    having sum(here_step) <> 0 or sum(other_step) <> 0 or sum(present_step) <> 0
),

pairs_stepping as (
    select distinct
        audience,
        customer_id
    from steps_netted
    where date_day > {{ add_days(as_of(), '0 - ' ~ limit_of('events_days')) }}
),

states as (
    select
        steps_netted.audience,
        steps_netted.customer_id,
        steps_netted.date_day,
        steps_netted.here_step,
        steps_netted.present_step,
        sum(steps_netted.here_step) over so_far as here,
        sum(steps_netted.other_step) over so_far as other,
        sum(steps_netted.present_step) over so_far as present
    from steps_netted
    inner join pairs_stepping
        on
            steps_netted.audience = pairs_stepping.audience
            and steps_netted.customer_id = pairs_stepping.customer_id
    window so_far as (
        partition by steps_netted.audience, steps_netted.customer_id order by steps_netted.date_day
        rows between unbounded preceding and current row
    )
),

judged as (
    select
        states.*,
        audiences_given.kind,
        audiences_given.min_silence_days,
        audiences_given.max_silence_days,
        case
            when audiences_given.kind = 'state' then states.here
            when audiences_given.kind = 'leaving' then (1 - states.here) * states.other * states.present
            else states.here * (1 - states.other)
        end as is_candidate
    from states
    inner join audiences_given on states.audience = audiences_given.audience
),

compared as (
    select
        *,
        lag(is_candidate, 1, 0) over (partition by audience, customer_id order by date_day) as was_candidate
    from judged
),

-- What lay ahead of a past day is not known any more: by now it has happened.
changes as (
    select *
    from compared
    where
        is_candidate <> was_candidate
        and date_day > {{ add_days(as_of(), '0 - ' ~ limit_of('events_days')) }}
        and (kind <> 'about_to_leave' or date_day = {{ as_of() }})
),

described as (
    select
        changes.*,
        eves.segment as from_segment,
        eves.lifecycle_stage as from_stage,
        days.segment as to_segment,
        days.lifecycle_stage as to_stage,
        coalesce(days.orders, eves.orders) as orders,
        days.customer_id is null as is_gone,
        case when changes.date_day = days.valid_from then days.cause end as period_cause,
        coalesce(
            eves.last_order_date = days.last_order_date
            and {{ days_between('days.last_order_date', 'changes.date_day') }}
            in (changes.min_silence_days, changes.max_silence_days + 1),
            false
        ) as has_silence_passed
    from changes
    left join periods as eves
        on
            changes.customer_id = eves.customer_id
            and {{ add_days('changes.date_day', -1) }} >= eves.valid_from
            and {{ add_days('changes.date_day', -1) }} < eves.valid_to
    left join periods as days
        on
            changes.customer_id = days.customer_id
            and changes.date_day >= days.valid_from
            and changes.date_day < days.valid_to
),

final as (
    select
        audience,
        customer_id,
        date_day as event_date,
        case when is_candidate = 1 then 'entered' else 'left' end as event,
        case
            when here_step = 0 and present_step = 0 then 'days_passed'
            when is_gone then 'merged'
            when period_cause = 'bought' then period_cause
            when has_silence_passed then 'aged'
            else period_cause
        end as cause,
        from_segment,
        to_segment,
        from_stage,
        to_stage,
        orders
    from described
)

select * from final
