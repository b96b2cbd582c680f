with steps as (
    select * from {{ ref('activation_steps') }}
),

audiences_given as (
    select * from {{ ref('audiences') }}
    where preset in ('*', '{{ var("segment_preset") }}')
),

periods as (
    select * from {{ ref('activation_periods') }}
),

described as (
    select
        steps.*,
        eves.segment as from_segment,
        eves.lifecycle_stage as from_stage,
        days.segment as to_segment,
        days.lifecycle_stage as to_stage,
        coalesce(days.orders, eves.orders) as orders,
        days.customer_id is null as is_gone,
        case when steps.date_day = days.valid_from then days.cause end as period_cause,
        coalesce(
            eves.last_order_date = days.last_order_date
            and {{ days_between('days.last_order_date', 'steps.date_day') }}
            in (audiences_given.min_silence_days, audiences_given.max_silence_days + 1),
            false
        ) as has_silence_passed
    from steps
    inner join audiences_given on steps.audience = audiences_given.audience
    left join periods as eves
        on
            steps.customer_id = eves.customer_id
            and {{ add_days('steps.date_day', -1) }} >= eves.valid_from
            and {{ add_days('steps.date_day', -1) }} < eves.valid_to
    left join periods as days
        on
            steps.customer_id = days.customer_id
            and steps.date_day >= days.valid_from
            and steps.date_day < days.valid_to
),

final as (
    select
        audience,
        customer_id,
        date_day as event_date,
        case when is_entering then 'entered' else 'left' end as event,
        case
            when is_by_days_alone then 'days_passed'
            when is_gone then 'merged'
            when period_cause = 'bought' then period_cause
            when has_silence_passed then 'aged'
            else period_cause
        end as cause,
        from_segment,
        to_segment,
        from_stage,
        to_stage,
        orders
    from described
)

select * from final
