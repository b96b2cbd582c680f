with people_of_groups as (
    select * from {{ ref('activation_groups') }}
),

catalogue as (
    select * from {{ ref('audience_catalogue') }}
),

memberships as (
    select * from {{ ref('audience_memberships') }}
),

final as (
    select
        catalogue.audience,
        people_of_groups.attribute,
        people_of_groups.group_name,
        cast(count(*) as bigint) as customers,
        cast(count(memberships.customer_id) as bigint) as selected
    from catalogue
    cross join people_of_groups
    left join memberships
        on
            catalogue.audience = memberships.audience
            and people_of_groups.customer_id = memberships.customer_id
    group by
        catalogue.audience,
        people_of_groups.attribute,
        people_of_groups.group_name
)

select * from final
