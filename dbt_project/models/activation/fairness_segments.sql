with people_of_groups as (
    select * from {{ ref('activation_groups') }}
),

final as (
    select
        segment,
        attribute,
        group_name,
        cast(count(*) as bigint) as customers
    from people_of_groups
    where segment is not null
    group by
        segment,
        attribute,
        group_name
)

select * from final
