with cells as (
    select * from {{ ref('int_cells') }}
),

rule_versions as (
    select * from {{ ref('int_rule_versions') }}
),

segment_rule_periods as (
    select
        segment_rules_from,
        min(valid_from) as valid_from
    from rule_versions
    group by segment_rules_from
),

dated as (
    select
        cells.r_score,
        cells.f_score,
        cells.m_score,
        cells.segment_code,
        segment_rule_periods.valid_from,
        lag(cells.segment_code) over (
            partition by cells.r_score, cells.f_score, cells.m_score order by segment_rule_periods.valid_from
        ) as segment_code_before
    from cells
    inner join segment_rule_periods on cells.segment_rules_from = segment_rule_periods.segment_rules_from
),

starts as (
    select *
    from dated
    where
        segment_code_before is null
        or segment_code <> segment_code_before
),

final as (
    select
        r_score,
        f_score,
        m_score,
        segment_code,
        valid_from,
        lead(valid_from, 1, {{ far_future() }}) over (
            partition by r_score, f_score, m_score order by valid_from
        ) as valid_to
    from starts
)

select * from final
