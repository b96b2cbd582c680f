with decisions as (
    select * from {{ ref('activation_decisions') }}
),

decided_today as (
    select * from decisions
    where as_of_date = {{ as_of() }}
),

decided_before as (
    select * from decisions
    where as_of_date = {{ add_days(as_of(), -1) }}
),

compared as (
    select
        coalesce(decided_today.audience, decided_before.audience) as audience,
        coalesce(decided_today.customer_id, decided_before.customer_id) as customer_id,
        decided_today.customer_id is not null as is_candidate,
        decided_today.customer_id is not null and decided_today.reason is null as is_member,
        decided_before.customer_id is not null and decided_before.reason is null as was_member,
        decided_today.reason
    from decided_today
    full outer join decided_before
        on
            decided_today.audience = decided_before.audience
            and decided_today.customer_id = decided_before.customer_id
),

final as (
    select
        audience,
        customer_id,
        {{ as_of() }} as as_of_date,
        case
            when is_member then 'added'
            when was_member then 'removed'
            else 'kept_out'
        end as change,
        case
            when is_member then 'joined'
            when is_candidate then reason
            else 'left'
        end as reason
    from compared
    where is_member <> was_member or (is_candidate and not is_member)
)

select * from final
