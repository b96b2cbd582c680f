{% set watched_days = 35 %}
with forbidden_moves as (
    select * from {{ ref('forbidden_moves') }}
),

intervals as (
    select * from {{ ref('int_timeline_intervals') }}
),

customer_days as (
    select * from {{ ref('int_customer_days') }}
),

scoring_days as (
    select * from {{ ref('int_scoring_days') }}
),

segment_codes as (
    select distinct
        segment_code,
        segment
    from {{ ref('int_cells') }}
),

stage_codes as (
    select * from {{ ref('int_stage_codes') }}
),

begun as (
    select
        customer_id,
        valid_from as date_day,
        segment_code,
        previous_segment_code,
        stage_code,
        cause_code
    from intervals
    where
        valid_from > {{ add_days(as_of(), 0 - watched_days) }}
        and valid_from <= {{ as_of() }}
),

ended as (
    select
        customer_id,
        valid_to as date_day,
        segment_code,
        stage_code
    from intervals
    where
        valid_to > {{ add_days(as_of(), 0 - watched_days) }}
        and valid_to <= {{ as_of() }}
),

steps as (
    select
        begun.customer_id,
        begun.date_day,
        begun.cause_code,
        from_segments.segment as from_segment,
        to_segments.segment as to_segment,
        from_stages.stage as from_stage,
        to_stages.stage as to_stage
    from begun
    left join ended
        on
            begun.customer_id = ended.customer_id
            and begun.date_day = ended.date_day
    left join segment_codes as from_segments on ended.segment_code = from_segments.segment_code
    left join segment_codes as to_segments on begun.segment_code = to_segments.segment_code
    left join stage_codes as from_stages on ended.stage_code = from_stages.stage_code
    left join stage_codes as to_stages on begun.stage_code = to_stages.stage_code
),

moves as (
    select
        'segment' as axis,
        customer_id,
        date_day,
        cause_code,
        coalesce(from_segment, 'none') as from_label,
        to_segment as to_label
    from steps
    where from_segment is distinct from to_segment
    union all
    select
        'stage' as axis,
        customer_id,
        date_day,
        cause_code,
        coalesce(from_stage, 'none') as from_label,
        to_stage as to_label
    from steps
    where from_stage is distinct from to_stage
),

rules_named as (
    select
        *,
        axis || ' ' || from_label || ' > ' || to_label as rule
    from forbidden_moves
),

-- Several things can happen on one day and only one of them is the cause; any of them excuses.
suspects as (
    select
        rules_named.rule,
        ' ' || coalesce(rules_named.unless_causes, '') || ' ' as unless_causes,
        moves.customer_id,
        moves.date_day,
        {{ cause_name('moves.cause_code') }} as cause
    from moves
    inner join rules_named
        on
            moves.axis = rules_named.axis
            and moves.from_label = rules_named.from_label
            and (moves.to_label = rules_named.to_label or rules_named.to_label = '*')
),

accused as (
    select *
    from suspects
    where unless_causes not like '% ' || cause || ' %'
),

violations as (
    select
        accused.rule,
        count(*) as moves
    from accused
    left join customer_days
        on
            accused.customer_id = customer_days.customer_id
            and accused.date_day = customer_days.valid_from
    left join scoring_days on accused.date_day = scoring_days.date_day
    where
        not (
            (accused.unless_causes like '% bought %' and coalesce(customer_days.has_own_order, false))
            or (accused.unless_causes like '% merged %' and coalesce(customer_days.has_inherited_order, false))
            or (accused.unless_causes like '% window_exit %' and coalesce(customer_days.has_window_exit, false))
            or (accused.unless_causes like '% corrected %' and coalesce(customer_days.has_correction, false))
            or (
                accused.unless_causes like '% recalibrated %'
                and coalesce(scoring_days.is_scorecard_start, false)
            )
            or (
                accused.unless_causes like '% rules_changed %'
                and coalesce(scoring_days.is_ruleset_start, false)
            )
        )
    group by accused.rule
),

final as (
    select
        rules_named.rule,
        cast(coalesce(violations.moves, 0) as bigint) as moves
    from rules_named
    left join violations on rules_named.rule = violations.rule
)

select * from final
