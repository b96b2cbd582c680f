with campaigns_checked as (
    select * from {{ ref('stg_shop__campaigns_checked') }}
),

final as (
    select
        campaign_id,
        audience,
        name,
        started_on,
        ended_on,
        cost
    from campaigns_checked
    where outcome = 'accepted'
)

select * from final
