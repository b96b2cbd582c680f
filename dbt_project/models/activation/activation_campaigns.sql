with campaigns as (
    select * from {{ ref('stg_shop__campaigns') }}
),

audiences_given as (
    select * from {{ ref('audiences') }}
    where preset in ('*', '{{ var("segment_preset") }}')
),

holdouts as (
    select * from {{ ref('holdouts') }}
),

dated as (
    select
        campaign_id,
        coalesce(name, campaign_id) as name,
        audience,
        started_on,
        ended_on,
        cost,
        least(started_on, {{ as_of() }}) as assigned_on,
        cast({{ days_between('started_on', 'ended_on') }} + 1 as integer) as days
    from campaigns
),

final as (
    select
        dated.campaign_id,
        dated.name,
        dated.audience,
        -- What lay ahead of a past day is not known any more: by now it has happened.
        coalesce(audiences_given.kind <> 'about_to_leave', false) as is_measured,
        dated.started_on,
        dated.ended_on,
        {{ add_days('dated.ended_on', 'dated.days') }} as retained_to,
        dated.assigned_on,
        {{ add_days('dated.assigned_on', '0 - dated.days') }} as before_on,
        dated.days,
        dated.cost,
        -- Two draws that know nothing of each other: out by the one or by the other.
        case
            when audiences_given.channel <> 'ads'
                then 1 - (1 - coalesce(own_holdouts.share, 0)) * (1 - coalesce(global_holdouts.share, 0))
            else cast(0 as {{ dbt.type_float() }})
        end as planned_share
    from dated
    left join audiences_given on dated.audience = audiences_given.audience
    left join holdouts as own_holdouts on audiences_given.audience = own_holdouts.audience
    left join holdouts as global_holdouts on global_holdouts.audience = '*'
)

select * from final
