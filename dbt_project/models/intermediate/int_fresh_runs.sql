with customer_days as (
    select * from {{ ref('int_customer_days') }}
),

customer_returns as (
    select * from {{ ref('int_customer_returns') }}
),

rule_versions as (
    select * from {{ ref('int_rule_versions') }}
),

fresh_stages as (
    select * from {{ ref('lifecycle_stages') }}
    where clock in ('since_first_order', 'since_return')
),

lifecycle_periods as (
    select
        lifecycle_from,
        min(valid_from) as valid_from,
        max(valid_to) as valid_to
    from rule_versions
    group by lifecycle_from
),

clocks as (
    select distinct
        'since_first_order' as clock,
        first_order_date as clock_date,
        cast(0 as integer) as gap_reached
    from customer_days
    where first_order_date is not null
    union all
    select distinct
        'since_return' as clock,
        returned_on as clock_date,
        cast(gap_reached as integer) as gap_reached
    from customer_returns
),

candidates as (
    select
        clock,
        clock_date,
        gap_reached,
        clock_date as valid_from
    from clocks
    union
    select
        clocks.clock,
        clocks.clock_date,
        clocks.gap_reached,
        lifecycle_periods.valid_from
    from clocks
    inner join lifecycle_periods on lifecycle_periods.valid_from > clocks.clock_date
    union
    select
        clocks.clock,
        clocks.clock_date,
        clocks.gap_reached,
        {{ add_days('clocks.clock_date', 'fresh_stages.from_day') }} as valid_from
    from clocks
    inner join fresh_stages on clocks.clock = fresh_stages.clock
    inner join lifecycle_periods on fresh_stages.valid_from = lifecycle_periods.lifecycle_from
    where
        {{ add_days('clocks.clock_date', 'fresh_stages.from_day') }} >= lifecycle_periods.valid_from
        and {{ add_days('clocks.clock_date', 'fresh_stages.from_day') }} < lifecycle_periods.valid_to
    union
    select
        clocks.clock,
        clocks.clock_date,
        clocks.gap_reached,
        {{ add_days('clocks.clock_date', 'fresh_stages.to_day + 1') }} as valid_from
    from clocks
    inner join fresh_stages on clocks.clock = fresh_stages.clock
    inner join lifecycle_periods on fresh_stages.valid_from = lifecycle_periods.lifecycle_from
    where
        {{ add_days('clocks.clock_date', 'fresh_stages.to_day + 1') }} >= lifecycle_periods.valid_from
        and {{ add_days('clocks.clock_date', 'fresh_stages.to_day + 1') }} < lifecycle_periods.valid_to
),

staged as (
    select
        candidates.clock,
        candidates.clock_date,
        candidates.gap_reached,
        candidates.valid_from,
        stages.stage as fresh_stage,
        stages_without_ageing.stage as fresh_stage_without_ageing
    from candidates
    inner join lifecycle_periods
        on
            candidates.valid_from >= lifecycle_periods.valid_from
            and candidates.valid_from < lifecycle_periods.valid_to
    left join fresh_stages as stages
        on
            candidates.clock = stages.clock
            and lifecycle_periods.lifecycle_from = stages.valid_from
            and {{ days_between('candidates.clock_date', 'candidates.valid_from') }} between stages.from_day and stages.to_day
            and candidates.gap_reached >= coalesce(stages.after_gap_days, 0)
    left join fresh_stages as stages_without_ageing
        on
            candidates.clock = stages_without_ageing.clock
            and lifecycle_periods.lifecycle_from = stages_without_ageing.valid_from
            and {{ days_between('candidates.clock_date', 'candidates.valid_from') }} - 1 between stages_without_ageing.from_day and stages_without_ageing.to_day
            and candidates.gap_reached >= coalesce(stages_without_ageing.after_gap_days, 0)
),

compared as (
    select
        *,
        lag(fresh_stage) over (partition by clock, clock_date, gap_reached order by valid_from) as fresh_stage_before,
        row_number() over (partition by clock, clock_date, gap_reached order by valid_from) as candidate_number
    from staged
),

starts as (
    select *
    from compared
    where
        candidate_number = 1
        or fresh_stage is distinct from fresh_stage_before
),

final as (
    select
        clock,
        clock_date,
        gap_reached,
        valid_from,
        lead(valid_from, 1, {{ far_future() }}) over (partition by clock, clock_date, gap_reached order by valid_from) as valid_to,
        fresh_stage,
        valid_from > clock_date and fresh_stage is distinct from fresh_stage_without_ageing as is_aged
    from starts
    union all
    -- Most days lie far from a first order or a return, and share this one run.
    select
        'none' as clock,
        {{ far_past() }} as clock_date,
        0 as gap_reached,
        {{ far_past() }} as valid_from,
        {{ far_future() }} as valid_to,
        cast(null as {{ dbt.type_string() }}) as fresh_stage,
        false as is_aged
)

select * from final
