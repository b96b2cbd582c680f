with suppressions_checked as (
    select * from {{ ref('stg_shop__suppressions_checked') }}
),

final as (
    select
        kind,
        value,
        purpose,
        reason,
        added_on
    from suppressions_checked
    where outcome = 'accepted'
)

select * from final
