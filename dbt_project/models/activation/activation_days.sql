with audiences_given as (
    select * from {{ ref('audiences') }}
    where preset in ('*', '{{ var("segment_preset") }}')
),

campaigns as (
    select * from {{ ref('activation_campaigns') }}
    where is_measured
),

-- The day before is computed alike, so that what changed is a difference of two sets.
as_of_dates as (
    select {{ as_of() }} as as_of_date
    union all
    select {{ add_days(as_of(), -1) }} as as_of_date
),

audience_days as (
    select
        audiences_given.audience,
        as_of_dates.as_of_date
    from audiences_given
    cross join as_of_dates
    union
    select
        audience,
        assigned_on as as_of_date
    from campaigns
    union
    select
        audience,
        before_on as as_of_date
    from campaigns
),

final as (
    select
        audiences_given.audience,
        audiences_given.kind,
        audience_days.as_of_date,
        case
            when audiences_given.kind in ('entering', 'leaving')
                then {{ add_days('audience_days.as_of_date', '0 - audiences_given.within_days') }}
            when audiences_given.kind = 'about_to_leave'
                then {{ add_days('audience_days.as_of_date', 'audiences_given.within_days') }}
        end as other_date
    from audiences_given
    inner join audience_days on audiences_given.audience = audience_days.audience
)

select * from final
