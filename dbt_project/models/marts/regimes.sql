with regimes as (
    select * from {{ ref('int_regimes') }}
),

final as (
    select
        valid_from,
        valid_to,
        scorecard_id,
        ruleset_id,
        calibrated_on
    from regimes
)

select * from final
