with audiences_given as (
    select * from {{ ref('audiences') }}
    where preset in ('*', '{{ var("segment_preset") }}')
),

activation_days as (
    select * from {{ ref('activation_days') }}
),

snapshots as (
    select * from {{ ref('activation_snapshots') }}
),

days_looked_at as (
    select
        audience,
        as_of_date as date_day
    from activation_days
    union
    select
        audience,
        other_date as date_day
    from activation_days
    where other_date is not null
),

-- There are few pairs of segment and stage, so what an audience lists is looked up once for each.
labels as (
    select distinct
        segment,
        lifecycle_stage
    from snapshots
),

days_listed as (
    select
        audiences_given.*,
        days_looked_at.date_day,
        coalesce(labels.segment, '') as segment_listed,
        coalesce(labels.lifecycle_stage, '') as stage_listed
    from audiences_given
    inner join days_looked_at on audiences_given.audience = days_looked_at.audience
    inner join labels on {{ has_labels_of('audiences_given', 'labels') }}
),

-- Whom the conditions of an audience describe, on each of the days that it looks at.
described as (
    select
        days_listed.audience,
        snapshots.date_day,
        snapshots.customer_id
    from snapshots
    inner join days_listed
        on
            snapshots.date_day = days_listed.date_day
            and coalesce(snapshots.segment, '') = days_listed.segment_listed
            and coalesce(snapshots.lifecycle_stage, '') = days_listed.stage_listed
            and {{ has_sums_of('days_listed', 'snapshots') }}
            and (
                days_listed.min_silence_days is null
                or snapshots.days_since_last_order >= days_listed.min_silence_days
            )
            and (
                days_listed.max_silence_days is null
                or snapshots.days_since_last_order <= days_listed.max_silence_days
            )
),

compared as (
    select
        activation_days.audience,
        activation_days.kind,
        activation_days.as_of_date,
        described.customer_id,
        max(case when described.date_day = activation_days.as_of_date then 1 else 0 end) as is_described,
        max(case when described.date_day = activation_days.other_date then 1 else 0 end) as is_described_then
    from activation_days
    inner join described
        on
            activation_days.audience = described.audience
            and described.date_day in (activation_days.as_of_date, activation_days.other_date)
    group by
        activation_days.audience,
        activation_days.kind,
        activation_days.as_of_date,
        described.customer_id
),

final as (
    select
        compared.audience,
        compared.as_of_date,
        compared.customer_id
    from compared
    -- Whoever left may have left for another account.
    inner join snapshots
        on
            compared.customer_id = snapshots.customer_id
            and compared.as_of_date = snapshots.date_day
    where
        case compared.kind
            when 'state' then compared.is_described = 1
            when 'leaving' then compared.is_described = 0 and compared.is_described_then = 1
            else compared.is_described = 1 and compared.is_described_then = 0
        end
)

select * from final
