{# Apart from what is said of each of them: together they would take memory that cannot be spilled. #}
with audiences_given as (
    select * from {{ ref('audiences') }}
    where preset in ('*', '{{ var("segment_preset") }}')
),

periods as (
    select * from {{ ref('activation_periods') }}
),

log_starts as (
    select
        {{ as_of() }} as as_of_date,
        {{ add_days(as_of(), '0 - ' ~ limit_of('events_days')) }} as eve
),

-- There are few pairs of segment and stage, so what an audience lists is looked up once for each.
labels as (
    select distinct
        segment,
        lifecycle_stage
    from periods
),

labels_listed as (
    select
        audiences_given.*,
        coalesce(labels.segment, '') as segment_listed,
        coalesce(labels.lifecycle_stage, '') as stage_listed
    from audiences_given
    inner join labels on {{ has_labels_of('audiences_given', 'labels') }}
),

-- Within a period only the days of silence pass, so an audience describes one run of its days.
runs as (
    select
        labels_listed.audience,
        labels_listed.kind,
        periods.customer_id,
        case
            when labels_listed.kind = 'state' then 0
            when labels_listed.kind = 'about_to_leave' then 0 - labels_listed.within_days
            else labels_listed.within_days
        end as other_days,
        greatest(
            periods.valid_from,
            coalesce(
                {{ add_days('periods.last_order_date', 'labels_listed.min_silence_days') }}, periods.valid_from
            )
        ) as described_from,
        least(
            periods.valid_to,
            coalesce(
                {{ add_days('periods.last_order_date', 'labels_listed.max_silence_days + 1') }}, periods.valid_to
            )
        ) as described_to
    from periods
    inner join labels_listed
        on
            coalesce(periods.segment, '') = labels_listed.segment_listed
            and coalesce(periods.lifecycle_stage, '') = labels_listed.stage_listed
            and {{ has_sums_of('labels_listed', 'periods') }}
    where
        periods.last_order_date is not null
        or (labels_listed.min_silence_days is null and labels_listed.max_silence_days is null)
),

-- Most pairs have been as they are for longer than the log looks back; nothing more is asked of them.
pairs_in_question as (
    select distinct
        runs.audience,
        runs.customer_id
    from runs
    cross join log_starts
    where
        runs.described_from < runs.described_to
        and (
            runs.kind = 'leaving'
            {% for end in ['described_from', 'described_to'] %}
            {% for shifted in ['runs.' ~ end, add_days('runs.' ~ end, 'runs.other_days')] %}
            or ({{ shifted }} > log_starts.eve and {{ shifted }} <= log_starts.as_of_date)
            {% endfor %}
            {% endfor %}
        )
),

runs_in_question as (
    select runs.*
    from runs
    inner join pairs_in_question
        on
            runs.audience = pairs_in_question.audience
            and runs.customer_id = pairs_in_question.customer_id
    where runs.described_from < runs.described_to
),

run_ends as (
    select
        audience,
        customer_id,
        kind,
        other_days,
        described_from as date_day,
        1 as step
    from runs_in_question
    union all
    select
        audience,
        customer_id,
        kind,
        other_days,
        described_to as date_day,
        -1 as step
    from runs_in_question
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
        audience,
        customer_id,
        {{ add_days('date_day', 'other_days') }} as date_day,
        0 as here_step,
        step as other_step,
        0 as present_step
    from run_ends
    where kind <> 'state'
    union all
    -- Only who left a description may have left the shop.
    select
        pairs_in_question.audience,
        period_ends.customer_id,
        period_ends.date_day,
        0 as here_step,
        0 as other_step,
        period_ends.step as present_step
    from period_ends
    inner join pairs_in_question on period_ends.customer_id = pairs_in_question.customer_id
    inner join audiences_given on pairs_in_question.audience = audiences_given.audience
    where audiences_given.kind = 'leaving'
),

-- Where one run ends and the next begins, nothing happens. What was before the log is one step of it.
steps_netted as (
    select
        steps.audience,
        steps.customer_id,
        greatest(steps.date_day, log_starts.eve) as date_day,
        sum(steps.here_step) as here_step,
        sum(steps.other_step) as other_step,
        sum(steps.present_step) as present_step
    from steps
    cross join log_starts
    where steps.date_day <= log_starts.as_of_date
    group by steps.audience, steps.customer_id, greatest(steps.date_day, log_starts.eve)
    having sum(steps.here_step) <> 0 or sum(steps.other_step) <> 0 or sum(steps.present_step) <> 0
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
final as (
    select
        audience,
        customer_id,
        date_day,
        is_candidate = 1 as is_entering,
        here_step = 0 and present_step = 0 as is_by_days_alone
    from compared
    where
        is_candidate <> was_candidate
        and date_day > {{ add_days(as_of(), '0 - ' ~ limit_of('events_days')) }}
        and (kind <> 'about_to_leave' or date_day = {{ as_of() }})
)

select * from final
