with audiences_given as (
    select * from {{ ref('audiences') }}
    where preset in ('*', '{{ var("segment_preset") }}')
),

destinations as (
    select * from {{ ref('destinations') }}
),

final as (
    select
        audiences_given.audience,
        audiences_given.name,
        audiences_given.description,
        audiences_given.purpose,
        audiences_given.kind,
        audiences_given.within_days,
        audiences_given.action,
        audiences_given.channel,
        audiences_given.destination,
        destinations.minimum_size,
        audiences_given.priority,
        audiences_given.objective,
        audiences_given.objective_metric,
        audiences_given.objective_target,
        audiences_given.owner,
        audiences_given.reviewed_on
    from audiences_given
    inner join destinations on audiences_given.destination = destinations.destination
)

select * from final
