with campaigns as (
    select * from {{ ref('activation_campaigns') }}
    where is_measured
),

decisions as (
    select * from {{ ref('activation_decisions') }}
    where arm is not null
),

snapshots as (
    select * from {{ ref('activation_snapshots') }}
),

-- Whom the audience meant a campaign's length earlier shows what comes without the campaign.
periods as (
    select
        campaign_id,
        audience,
        'campaign' as period,
        assigned_on as first_day,
        ended_on as last_day,
        retained_to
    from campaigns
    union all
    select
        campaign_id,
        audience,
        'before' as period,
        before_on as first_day,
        {{ add_days('assigned_on', -1) }} as last_day,
        {{ add_days('assigned_on', -1) }} as retained_to
    from campaigns
),

final as (
    select
        periods.campaign_id,
        periods.period,
        decisions.customer_id,
        decisions.arm,
        snapshots.segment,
        snapshots.m_score,
        periods.first_day,
        periods.last_day,
        periods.retained_to
    from periods
    inner join decisions
        on
            periods.audience = decisions.audience
            and periods.first_day = decisions.as_of_date
    inner join snapshots
        on
            decisions.customer_id = snapshots.customer_id
            and decisions.as_of_date = snapshots.date_day
)

select * from final
