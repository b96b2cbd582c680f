with calibrations as (
    select * from {{ ref('int_calibrations') }}
),

scorecard_cuts as (
    select * from {{ ref('int_scorecard_cuts') }}
),

-- On a day without anybody to cut on there is no scorecard, and the one before stays in force.
scorecards_cut as (
    select distinct scorecard_id
    from scorecard_cuts
),

final as (
    select
        calibrations.scorecard_id,
        calibrations.calibrated_on,
        calibrations.is_provisional,
        case
            when row_number() over (order by calibrations.calibrated_on) = 1 then {{ far_past() }}
            else calibrations.takes_over_on
        end as valid_from,
        lead(calibrations.takes_over_on, 1, {{ far_future() }}) over (order by calibrations.calibrated_on) as valid_to
    from calibrations
    inner join scorecards_cut on calibrations.scorecard_id = scorecards_cut.scorecard_id
)

select * from final
