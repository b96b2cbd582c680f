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

-- Whom the conditions of an audience describe, on each of the days that it looks at.
described as (
    select
        audiences_given.audience,
        snapshots.date_day,
        snapshots.customer_id
    from audiences_given
    inner join days_looked_at on audiences_given.audience = days_looked_at.audience
    inner join snapshots
        on
            days_looked_at.date_day = snapshots.date_day
            and {{ has_state_of('audiences_given', 'snapshots') }}
            and (
                audiences_given.min_silence_days is null
                or snapshots.days_since_last_order >= audiences_given.min_silence_days
            )
            and (
                audiences_given.max_silence_days is null
                or snapshots.days_since_last_order <= audiences_given.max_silence_days
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
