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

ages as (
    select
        *,
        {{ days_between('clock_date', 'valid_from') }} as clock_days,
        {{ days_between('clock_date', 'valid_from') }} - 1 as clock_days_before
    from candidates
),

-- The stage of the day, and the stage that the same rules would give to a day less.
staged as (
    select
        ages.clock,
        ages.clock_date,
        ages.gap_reached,
        ages.valid_from,
        stages.stage as fresh_stage,
        younger_stages.stage as younger_fresh_stage
    from ages
    inner join lifecycle_periods
        on
            ages.valid_from >= lifecycle_periods.valid_from
            and ages.valid_from < lifecycle_periods.valid_to
    left join fresh_stages as stages
        on
            ages.clock = stages.clock
            and lifecycle_periods.lifecycle_from = stages.valid_from
            and ages.clock_days between stages.from_day and stages.to_day
            and ages.gap_reached >= coalesce(stages.after_gap_days, 0)
    left join fresh_stages as younger_stages
        on
            ages.clock = younger_stages.clock
            and lifecycle_periods.lifecycle_from = younger_stages.valid_from
            and ages.clock_days_before between younger_stages.from_day and younger_stages.to_day
            and ages.gap_reached >= coalesce(younger_stages.after_gap_days, 0)
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
        lead(valid_from, 1, {{ far_future() }}) over (
            partition by clock, clock_date, gap_reached order by valid_from
        ) as valid_to,
        fresh_stage,
        valid_from > clock_date and (fresh_stage is distinct from younger_fresh_stage) as is_aged
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
