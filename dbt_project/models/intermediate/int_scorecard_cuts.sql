{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        pre_hook="{% if is_incremental() %}delete from {{ this }} where calibrated_on >= (select coalesce(min(order_day), " ~ far_future() ~ ") from {{ ref('int_days_changed') }}) or scorecard_id not in (select scorecard_id from {{ ref('int_calibrations') }}){% endif %}",
    )
}}
-- depends_on: {{ ref('int_days_changed') }}
{% set is_quantile = var('score_method') == 'quantile' %}
{% set is_ranked = var('tie_rule') == 'rank_first' %}
{% set at_or_above = var('cut_side') == 'at_or_above' %}
with calibrations as (
    select * from {{ ref('int_calibrations') }}
    {% if is_incremental() %}
    where scorecard_id not in (select scorecard_id from {{ this }})
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

grouped as (
    select
        scorecard_id,
        calibrated_on,
        recency,
        frequency,
        monetary,
        {% if is_ranked %}
        customer_id as tie_break,
        {% else %}
        '' as tie_break,
        {% endif %}
        count(*) as customers
    from population
    group by grouping sets (
        (scorecard_id, calibrated_on, recency),
        (scorecard_id, calibrated_on, frequency{{ ', customer_id' if is_ranked }}),
        (scorecard_id, calibrated_on, monetary)
    )
),

value_counts as (
    select
        scorecard_id,
        calibrated_on,
        case
            when recency is not null then 'recency'
            when frequency is not null then 'frequency'
            else 'monetary'
        end as metric,
        coalesce(cast(recency as decimal(18, 4)), cast(frequency as decimal(18, 4)), monetary) as value,
        coalesce(tie_break, '') as tie_break,
        customers
    from grouped
),

ranked as (
    select
        scorecard_id,
        calibrated_on,
        metric,
        value,
        tie_break,
        customers,
        cast(sum(customers) over (
            partition by scorecard_id, calibrated_on, metric order by value, tie_break
            rows between unbounded preceding and current row
        ) as bigint) as customers_up_to,
        cast(sum(customers) over (
            partition by scorecard_id, calibrated_on, metric order by value, tie_break
            rows between unbounded preceding and unbounded following
        ) as bigint) as population
    from value_counts
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
        ranked.*,
        cut_numbers.cut_number,
        cast(floor((ranked.population - 1) * cut_numbers.cut_number / 5.0) as bigint) as lower_rank,
        cast(mod((ranked.population - 1) * cut_numbers.cut_number, 5) as bigint) as fifths
    from ranked
    cross join cut_numbers
),

neighbours as (
    select
        *,
        customers_up_to > lower_rank
        and customers_up_to - customers <= lower_rank as is_lower
    from positions
    where
        customers_up_to > lower_rank
        and customers_up_to - customers <= lower_rank + case when fifths > 0 then 1 else 0 end
),

cuts as (
    select
        scorecard_id,
        calibrated_on,
        metric,
        cut_number,
        population,
        {% if is_ranked %}
        case
            when metric = 'frequency' then cast(min(value) as decimal(18, 5))
            else cast(min(value) + (max(value) - min(value)) * cast(max(fifths) as decimal(2, 0)) * 0.2 as decimal(18, 5))
        end as cut_value,
        {% else %}
        cast(min(value) + (max(value) - min(value)) * cast(max(fifths) as decimal(2, 0)) * 0.2 as decimal(18, 5)) as cut_value,
        {% endif %}
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
            when metric = 'monetary' then ceil(cut_value * 10000) / 10000 - 0.0001
            else ceil(cut_value) - 1
        end as decimal(18, 4)) as exceeds_value,
        case
            when fifths = 0 or not is_between_values then customers_below_value
            else customers_up_to_value
        end as customers_not_above,
        {% else %}
        cast(case
            when metric = 'monetary' then floor(cut_value * 10000) / 10000
            else floor(cut_value)
        end as decimal(18, 4)) as exceeds_value,
        customers_up_to_value as customers_not_above,
        {% endif %}
        tie_break
    from cuts
)

select * from final
