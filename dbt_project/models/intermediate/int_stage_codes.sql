with lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

stages as (
    select
        stage,
        min(clock) as clock
    from lifecycle_stages
    group by stage
),

final as (
    select
        stage,
        clock,
        cast(row_number() over (order by stage) as smallint) as stage_code
    from stages
)

select * from final
