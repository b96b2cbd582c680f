{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        pre_hook="{{ forget_scorecards() }}",
    )
}}
-- depends_on: {{ ref('int_days_changed') }}
{% set is_quantile = var('score_method') == 'quantile' %}
{% set is_ranked = var('tie_rule') == 'rank_first' %}
{% set at_or_above = var('cut_side') == 'at_or_above' %}
with calibrations as (
    select * from {{ ref('int_calibrations') }}
    {% if is_incremental() %}
    where scorecard_id not in (select known.scorecard_id from {{ this }} as known)
    {% endif %}
),

{% if is_quantile %}
customer_days as (
    select * from {{ ref('int_customer_days') }}
),

population as (
    select
        calibrations.scorecard_id,
        calibrations.calibrated_on,
        {% if is_ranked %}
        customer_days.customer_id,
        {% endif %}
        {{ days_between('customer_days.last_order_date', 'calibrations.calibrated_on') }} as recency,
        customer_days.orders as frequency,
        customer_days.monetary
    from customer_days
    inner join calibrations
        on
            customer_days.valid_from <= calibrations.calibrated_on
            and customer_days.valid_to > calibrations.calibrated_on
    where
        customer_days.last_order_date is not null
        and customer_days.orders > 0
),

-- Ranks are counted in whole units first; only the units that hold a wanted rank are then looked at
-- value by value, so nothing of the size of the population is ever sorted.
units as (
    select
        scorecard_id,
        calibrated_on,
        'recency' as metric,
        cast(recency as bigint) as unit,
        count(*) as customers
    from population
    group by scorecard_id, calibrated_on, recency
    union all
    select
        scorecard_id,
        calibrated_on,
        'frequency' as metric,
        cast(frequency as bigint) as unit,
        count(*) as customers
    from population
    group by scorecard_id, calibrated_on, frequency
    union all
    select
        scorecard_id,
        calibrated_on,
        'monetary' as metric,
        cast(floor(monetary) as bigint) as unit,
        count(*) as customers
    from population
    group by scorecard_id, calibrated_on, cast(floor(monetary) as bigint)
),

units_ranked as (
    select
        scorecard_id,
        calibrated_on,
        metric,
        unit,
        cast(sum(customers) over (
            partition by scorecard_id, calibrated_on, metric order by unit
            rows between unbounded preceding and current row
        ) - customers as bigint) as customers_before,
        customers
    from units
),

populations as (
    select
        scorecard_id,
        calibrated_on,
        metric,
        cast(sum(customers) as bigint) as population
    from units
    group by scorecard_id, calibrated_on, metric
),

cut_numbers as (
    select 1 as cut_number
    union all
    select 2 as cut_number
    union all
    select 3 as cut_number
    union all
    select 4 as cut_number
),

-- Quantile k/5 lies between two ranks (0-based), `fifths` fifths of the way: Hyndman and Fan's type 7,
-- the default of R and numpy, kept in whole numbers so that no engine rounds it.
positions as (
    select
        populations.scorecard_id,
        populations.calibrated_on,
        populations.metric,
        populations.population,
        cut_numbers.cut_number,
        cast(floor((populations.population - 1) * cut_numbers.cut_number / 5.0) as bigint) as lower_rank,
        cast(mod((populations.population - 1) * cut_numbers.cut_number, 5) as bigint) as fifths
    from populations
    cross join cut_numbers
),

wanted_ranks as (
    select
        *,
        lower_rank as wanted_rank,
        true as is_lower
    from positions
    union all
    select
        *,
        lower_rank + 1 as wanted_rank,
        false as is_lower
    from positions
    where fifths > 0
),

wanted_units as (
    select
        wanted_ranks.*,
        units_ranked.unit,
        units_ranked.customers_before
    from wanted_ranks
    inner join units_ranked
        on
            wanted_ranks.scorecard_id = units_ranked.scorecard_id
            and wanted_ranks.metric = units_ranked.metric
            and wanted_ranks.wanted_rank >= units_ranked.customers_before
            and wanted_ranks.wanted_rank < units_ranked.customers_before + units_ranked.customers
),

units_to_open as (
    select distinct
        scorecard_id,
        metric,
        unit,
        customers_before
    from wanted_units
),

values_opened as (
    select
        units_to_open.scorecard_id,
        units_to_open.metric,
        units_to_open.unit,
        units_to_open.customers_before,
        population.monetary as value,
        '' as tie_break,
        count(*) as customers
    from population
    inner join units_to_open
        on
            population.scorecard_id = units_to_open.scorecard_id
            and cast(floor(population.monetary) as bigint) = units_to_open.unit
    where units_to_open.metric = 'monetary'
    group by
        units_to_open.scorecard_id,
        units_to_open.metric,
        units_to_open.unit,
        units_to_open.customers_before,
        population.monetary
    {% if is_ranked %}
    union all
    select
        units_to_open.scorecard_id,
        units_to_open.metric,
        units_to_open.unit,
        units_to_open.customers_before,
        cast(population.frequency as decimal(18, 4)) as value,
        population.customer_id as tie_break,
        1 as customers
    from population
    inner join units_to_open
        on
            population.scorecard_id = units_to_open.scorecard_id
            and population.frequency = units_to_open.unit
    where units_to_open.metric = 'frequency'
    {% endif %}
    union all
    -- Days and orders are whole: the unit is the value.
    select
        units_ranked.scorecard_id,
        units_ranked.metric,
        units_ranked.unit,
        units_ranked.customers_before,
        cast(units_ranked.unit as decimal(18, 4)) as value,
        '' as tie_break,
        units_ranked.customers
    from units_ranked
    where units_ranked.metric in ('recency'{{ ", 'frequency'" if not is_ranked }})
),

values_ranked as (
    select
        *,
        cast(customers_before + sum(customers) over (
            partition by scorecard_id, metric, unit order by value, tie_break
            rows between unbounded preceding and current row
        ) as bigint) as customers_up_to
    from values_opened
),

neighbours as (
    select
        wanted_units.scorecard_id,
        wanted_units.calibrated_on,
        wanted_units.metric,
        wanted_units.cut_number,
        wanted_units.population,
        wanted_units.fifths,
        wanted_units.is_lower,
        values_ranked.value,
        values_ranked.tie_break,
        values_ranked.customers,
        values_ranked.customers_up_to
    from wanted_units
    inner join values_ranked
        on
            wanted_units.scorecard_id = values_ranked.scorecard_id
            and wanted_units.metric = values_ranked.metric
            and wanted_units.unit = values_ranked.unit
            and wanted_units.wanted_rank >= values_ranked.customers_up_to - values_ranked.customers
            and wanted_units.wanted_rank < values_ranked.customers_up_to
),

cuts as (
    select
        scorecard_id,
        calibrated_on,
        metric,
        cut_number,
        population,
        -- Ranks told apart by their customers are cut at a customer, not between two.
        cast(
            min(value)
            + (max(value) - min(value))
            {%- if is_ranked %} * case when metric = 'frequency' then 0 else 1 end{% endif %}
            * cast(max(fifths) as decimal(2, 0)) * 0.2
            as decimal(18, 5)
        ) as cut_value,
        max(case when is_lower then tie_break end) as tie_break,
        max(case when is_lower then customers_up_to - customers end) as customers_below_value,
        max(case when is_lower then customers_up_to end) as customers_up_to_value,
        max(fifths) as fifths,
        max(value) > min(value) as is_between_values
    from neighbours
    group by scorecard_id, calibrated_on, metric, cut_number, population
),
{% else %}
fixed_score_cuts as (
    select * from {{ ref('fixed_score_cuts') }}
),

cuts as (
    select
        calibrations.scorecard_id,
        calibrations.calibrated_on,
        fixed_score_cuts.metric,
        fixed_score_cuts.cut as cut_number,
        cast(null as bigint) as population,
        cast(fixed_score_cuts.value as decimal(18, 5)) as cut_value,
        '' as tie_break,
        cast(null as bigint) as customers_below_value,
        cast(null as bigint) as customers_up_to_value,
        0 as fifths,
        false as is_between_values
    from calibrations
    inner join fixed_score_cuts on calibrations.calibrated_on = fixed_score_cuts.valid_from
),
{% endif %}

-- Days and orders are whole and money has four decimals, so a cut between two possible values is
-- the same as the possible value below it; then one strict comparison serves both sides of a cut.
final as (
    select
        scorecard_id,
        calibrated_on,
        metric,
        cut_number,
        population,
        cut_value,
        {% if at_or_above %}
        cast(case
            when metric = 'monetary' then ceil(cast(cut_value as decimal(38, 5)) * 10000) / 10000 - 0.0001
            else ceil(cut_value) - 1
        end as decimal(18, 4)) as exceeds_value,
        case
            when fifths = 0 or not is_between_values then customers_below_value
            else customers_up_to_value
        end as customers_not_above,
        {% else %}
        cast(case
            when metric = 'monetary' then floor(cast(cut_value as decimal(38, 5)) * 10000) / 10000
            else floor(cut_value)
        end as decimal(18, 4)) as exceeds_value,
        customers_up_to_value as customers_not_above,
        {% endif %}
        tie_break
    from cuts
)

select * from final
