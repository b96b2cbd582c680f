with memberships as (
    select * from {{ ref('audience_memberships') }}
),

sizes as (
    select
        audience,
        count(*) as members
    from memberships
    group by audience
),

shared as (
    select
        memberships.audience,
        others.audience as other_audience,
        count(*) as customers
    from memberships
    inner join memberships as others
        on
            memberships.customer_id = others.customer_id
            and memberships.audience < others.audience
    group by
        memberships.audience,
        others.audience
),

final as (
    select
        shared.audience,
        shared.other_audience,
        {{ as_of() }} as as_of_date,
        cast(shared.customers as integer) as customers,
        {{ exact_share('shared.customers', 'least(sizes.members, other_sizes.members)') }} as share_of_smaller
    from shared
    inner join sizes on shared.audience = sizes.audience
    inner join sizes as other_sizes on shared.other_audience = other_sizes.audience
)

select * from final
