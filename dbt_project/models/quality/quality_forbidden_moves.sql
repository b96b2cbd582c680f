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

label_codes as (
    select
        'segment' as axis,
        segment as label,
        segment_code as code
    from segment_codes
    union all
    select
        'stage' as axis,
        stage as label,
        stage_code as code
    from stage_codes
    union all
    select distinct
        axis,
        'none' as label,
        0 as code
    from forbidden_moves
),

rules_named as (
    select
        *,
        axis || ' ' || from_label || ' > ' || to_label as rule
    from forbidden_moves
),

-- A rule about a label that the rules in force do not have drops out here.
rules_coded as (
    select
        rules_named.rule,
        rules_named.axis,
        ' ' || coalesce(rules_named.unless_causes, '') || ' ' as unless_causes,
        from_codes.code as from_code,
        to_codes.code as to_code
    from rules_named
    inner join label_codes as from_codes
        on
            rules_named.axis = from_codes.axis
            and rules_named.from_label = from_codes.label
    inner join label_codes as to_codes
        on
            rules_named.axis = to_codes.axis
            and (rules_named.to_label = to_codes.label or rules_named.to_label = '*')
),

begun as (
    select
        customer_id,
        valid_from as date_day,
        segment_code,
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
        coalesce(ended.segment_code, 0) as from_segment_code,
        begun.segment_code as to_segment_code,
        coalesce(ended.stage_code, 0) as from_stage_code,
        begun.stage_code as to_stage_code
    from begun
    left join ended
        on
            begun.customer_id = ended.customer_id
            and begun.date_day = ended.date_day
),

suspects as (
    {% for axis in ['segment', 'stage'] %}
    select
        rules_coded.rule,
        rules_coded.unless_causes,
        steps.customer_id,
        steps.date_day,
        {{ cause_name('steps.cause_code') }} as cause
    from steps
    inner join rules_coded
        on
            steps.from_{{ axis }}_code = rules_coded.from_code
            and steps.to_{{ axis }}_code = rules_coded.to_code
    where
        rules_coded.axis = '{{ axis }}'
        and rules_coded.from_code <> rules_coded.to_code
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

accused as (
    select *
    from suspects
    where unless_causes not like '% ' || cause || ' %'
),

-- Several things can happen on one day and only one of them is the cause; any of them excuses.
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
