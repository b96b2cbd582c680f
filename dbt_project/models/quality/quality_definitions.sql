with segments as (
    select * from {{ ref('segments') }}
    where preset = '{{ var("segment_preset") }}'
),

final as (
    select
        segment,
        label,
        action,
        channel,
        objective,
        objective_metric,
        objective_target,
        cast(reviewed_on as date) as reviewed_on
    from segments
)

select * from final
