with decisions as (
    select * from {{ ref('activation_decisions') }}
    where
        as_of_date = {{ as_of() }}
        and reason is null
),

audiences_given as (
    select * from {{ ref('audiences') }}
    where preset in ('*', '{{ var("segment_preset") }}')
),

final as (
    select
        decisions.audience,
        decisions.customer_id,
        decisions.as_of_date,
        audiences_given.destination
    from decisions
    inner join audiences_given on decisions.audience = audiences_given.audience
)

select * from final
