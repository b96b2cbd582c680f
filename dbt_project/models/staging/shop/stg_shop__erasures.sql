with erasures_checked as (
    select * from {{ ref('stg_shop__erasures_checked') }}
),

final as (
    select
        kind,
        requested_on
    from erasures_checked
    where outcome = 'accepted'
)

select * from final
