with segment_rules as (
    select * from {{ ref('segment_rules') }}
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

segment_versions as (
    select distinct valid_from as segment_rules_from
    from segment_rules
    where preset = '{{ var("segment_preset") }}'
),

lifecycle_versions as (
    select distinct valid_from as lifecycle_from
    from lifecycle_stages
),

segment_periods as (
    select
        segment_rules_from,
        case
            when row_number() over (order by segment_rules_from) = 1 then {{ far_past() }}
            else segment_rules_from
        end as valid_from,
        lead(segment_rules_from, 1, {{ far_future() }}) over (order by segment_rules_from) as valid_to
    from segment_versions
),

lifecycle_periods as (
    select
        lifecycle_from,
        case
            when row_number() over (order by lifecycle_from) = 1 then {{ far_past() }}
            else lifecycle_from
        end as valid_from,
        lead(lifecycle_from, 1, {{ far_future() }}) over (order by lifecycle_from) as valid_to
    from lifecycle_versions
),

final as (
    select
        '{{ var("segment_preset") }}@' || cast(
            greatest(segment_periods.segment_rules_from, lifecycle_periods.lifecycle_from)
            as {{ dbt.type_string() }}
        ) as ruleset_id,
        segment_periods.segment_rules_from,
        lifecycle_periods.lifecycle_from,
        greatest(segment_periods.valid_from, lifecycle_periods.valid_from) as valid_from,
        least(segment_periods.valid_to, lifecycle_periods.valid_to) as valid_to
    from segment_periods
    inner join lifecycle_periods
        on
            segment_periods.valid_from < lifecycle_periods.valid_to
            and lifecycle_periods.valid_from < segment_periods.valid_to
)

select * from final
