{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        partition_by=partition_of_buckets(),
        pre_hook="{{ forget_days_of_customers('int_customers_relabelled') }}",
    )
}}
-- depends_on: {{ ref('int_customers_relabelled') }}
{% set is_ranked = var('tie_rule') == 'rank_first' %}
{% set tie = 'frequency_tie' if is_ranked else none %}
with all_days as (
    select * from {{ ref('int_customer_days') }}
),

{% if is_incremental() %}
customers_relabelled as (
    select * from {{ ref('int_customers_relabelled') }}
),

{% endif %}
customer_days as (
    select all_days.*
    from all_days
    {% if is_incremental() %}
    inner join customers_relabelled
        on
            all_days.customer_id = customers_relabelled.customer_id
            and all_days.valid_from >= customers_relabelled.from_day
    {% endif %}
    where
        all_days.last_order_date is not null
        and all_days.valid_from < all_days.valid_to
),

customer_returns as (
    select * from {{ ref('int_customer_returns') }}
),

frequency_bands as (
    select * from {{ ref('int_frequency_bands') }}
),

monetary_bands as (
    select * from {{ ref('int_monetary_bands') }}
),

silence_runs as (
    select * from {{ ref('int_silence_runs') }}
),

score_runs as (
    select * from {{ ref('int_score_runs') }}
),

fresh_runs as (
    select * from {{ ref('int_fresh_runs') }}
),

cell_runs as (
    select * from {{ ref('int_cell_runs') }}
),

cells as (
    select * from {{ ref('int_cells') }}
),

scoring_days as (
    select * from {{ ref('int_scoring_days') }}
),

stage_codes as (
    select * from {{ ref('int_stage_codes') }}
),

lookup_limits as (
    select * from {{ ref('int_lookup_limits') }}
),

otherwise_stage as (
    select stage_code
    from stage_codes
    where clock = 'otherwise'
),

states_limited as (
    select
        customer_days.*,
        {{ add_days('customer_days.first_order_date', 'lookup_limits.first_order_days') }} as fresh_until,
        lookup_limits.return_days,
        lookup_limits.last_scoring_day,
        least(greatest(customer_days.orders, 0), lookup_limits.highest_orders) as limited_orders,
        least(
            greatest(
                cast(floor(customer_days.monetary / lookup_limits.bucket_width) as bigint),
                lookup_limits.lowest_bucket
            ),
            lookup_limits.highest_bucket
        ) as limited_bucket
    from customer_days
    cross join lookup_limits
),

-- Where a state stands in each of the step functions that its labels are made of. Every state has
-- its place in each; the joins are left joins so that one without would show, not vanish, and so that
-- no engine takes the states for the smaller side.
states as (
    select
        states_limited.*,
        frequency_bands.f_band,
        monetary_bands.m_band,
        case
            when states_limited.valid_from <= states_limited.fresh_until then 'since_first_order'
            when customer_returns.returned_on is not null then 'since_return'
            else 'none'
        end as fresh_clock,
        case
            when states_limited.valid_from <= states_limited.fresh_until then states_limited.first_order_date
            when customer_returns.returned_on is not null then customer_returns.returned_on
            else {{ far_past() }}
        end as fresh_clock_date,
        case
            when states_limited.valid_from <= states_limited.fresh_until then 0
            else coalesce(customer_returns.gap_reached, 0)
        end as fresh_gap_reached
    from states_limited
    left join frequency_bands
        on
            states_limited.limited_orders = frequency_bands.orders_up_to_highest
            and {{ 'true' if not is_ranked else within_tie_band('states_limited', 'frequency_bands') }}
    left join monetary_bands
        on
            states_limited.limited_bucket = monetary_bands.bucket
            and (monetary_bands.above_value is null or states_limited.monetary > monetary_bands.above_value)
            and (monetary_bands.up_to_value is null or states_limited.monetary <= monetary_bands.up_to_value)
    left join customer_returns
        on
            states_limited.customer_id = customer_returns.customer_id
            and states_limited.valid_from >= customer_returns.returned_on
            and states_limited.valid_from
            <= {{ add_days('customer_returns.returned_on', 'states_limited.return_days') }}
),

-- The overlay: a piece begins where the state or any of the step functions has a step.
pieces as (
    select
        states.*,
        greatest(
            states.valid_from, silence_runs.valid_from, score_runs.valid_from, fresh_runs.valid_from
        ) as piece_from,
        least(states.valid_to, silence_runs.valid_to, score_runs.valid_to, fresh_runs.valid_to) as piece_to,
        silence_runs.r_score,
        score_runs.f_score,
        score_runs.m_score,
        silence_runs.silence_stage,
        fresh_runs.fresh_stage,
        silence_runs.valid_from as silence_from,
        silence_runs.is_aged as is_silence_aged,
        fresh_runs.valid_from as fresh_from,
        fresh_runs.is_aged as is_fresh_aged
    from states
    left join silence_runs
        on
            states.last_order_date = silence_runs.last_order_date
            and states.valid_to > silence_runs.valid_from
            and states.valid_from < silence_runs.valid_to
    left join score_runs
        on
            states.f_band = score_runs.f_band
            and states.m_band = score_runs.m_band
            and least(states.valid_to, silence_runs.valid_to) > score_runs.valid_from
            and greatest(states.valid_from, silence_runs.valid_from) < score_runs.valid_to
    left join fresh_runs
        on
            states.fresh_clock = fresh_runs.clock
            and states.fresh_clock_date = fresh_runs.clock_date
            and states.fresh_gap_reached = fresh_runs.gap_reached
            and least(states.valid_to, silence_runs.valid_to, score_runs.valid_to) > fresh_runs.valid_from
            and greatest(states.valid_from, silence_runs.valid_from, score_runs.valid_from) < fresh_runs.valid_to
),

labelled as (
    select
        pieces.*,
        greatest(pieces.piece_from, cell_runs.valid_from) as label_from,
        least(pieces.piece_to, cell_runs.valid_to) as label_to,
        cell_runs.segment_code,
        cell_runs.valid_from as cell_from
    from pieces
    left join cell_runs
        on
            pieces.r_score = cell_runs.r_score
            and pieces.f_score = cell_runs.f_score
            and pieces.m_score = cell_runs.m_score
            and pieces.piece_to > cell_runs.valid_from
            and pieces.piece_from < cell_runs.valid_to
),

-- The state on the eve of a label: the same one, or the one before it.
with_eves as (
    select
        *,
        label_from = valid_from as is_state_start,
        case
            when label_from > valid_from then last_order_date
            else previous_last_order_date
        end as eve_last_order_date,
        case when label_from > valid_from then orders else previous_orders end as eve_orders,
        case when label_from > valid_from then monetary else previous_monetary end as eve_monetary
    from labelled
),

silences as (
    select
        *,
        {{ days_between('last_order_date', 'label_from') }} as silent_days,
        {{ days_between('eve_last_order_date', 'label_from') }} - 1 as eve_silent_days
    from with_eves
),

-- What the formulas said of that state on the eve, and what they would say of today's.
compared as (
    select
        silences.*,
        scoring_days.is_ruleset_start,
        scoring_days.before_segment_rules_from,
        scoring_days.is_scorecard_start
        and (
            silences.r_score
            <> 6 - ({{ score('silences.silent_days', 'recency_cut', prefix='scoring_days.before_') }})
            or silences.f_score <> {{ score('silences.orders', 'frequency_cut', tie, 'scoring_days.before_') }}
            or silences.m_score <> {{ score('silences.monetary', 'monetary_cut', prefix='scoring_days.before_') }}
        ) as is_recalibrated,
        6 - ({{ score('silences.eve_silent_days', 'recency_cut', prefix='scoring_days.before_') }}) as eve_r_score,
        {{ score('silences.eve_orders', 'frequency_cut', tie, 'scoring_days.before_') }} as eve_f_score,
        {{ score('silences.eve_monetary', 'monetary_cut', prefix='scoring_days.before_') }} as eve_m_score
    from silences
    left join scoring_days on least(silences.label_from, silences.last_scoring_day) = scoring_days.date_day
),

final as (
    select
        {{ bucket_column('compared.customer_id') }}
        compared.customer_id,
        compared.label_from as valid_from,
        compared.label_to as valid_to,
        cast(compared.r_score as smallint) as r_score,
        cast(compared.f_score as smallint) as f_score,
        cast(compared.m_score as smallint) as m_score,
        compared.segment_code,
        case when compared.eve_silent_days is not null then eve_cells.segment_code end as previous_segment_code,
        coalesce(
            silence_stage_codes.stage_code,
            fresh_stage_codes.stage_code,
            (select otherwise_stage.stage_code from otherwise_stage)
        ) as stage_code,
        cast(case
            when compared.is_state_start and compared.has_own_order then 1
            when compared.is_silence_aged and compared.silence_from = compared.label_from then 2
            when
                compared.is_fresh_aged
                and compared.fresh_from = compared.label_from
                and compared.silence_stage is null
                then 2
            when compared.is_state_start and compared.has_window_exit then 3
            when compared.is_recalibrated then 4
            when
                compared.is_ruleset_start
                and compared.label_from in (compared.cell_from, compared.silence_from, compared.fresh_from)
                then 5
            when compared.is_state_start and compared.has_correction then 6
            when compared.is_state_start and compared.has_inherited_order then 7
            else 2
        end as smallint) as cause_code,
        compared.first_order_date,
        compared.last_order_date,
        compared.orders,
        compared.monetary,
        case when compared.is_state_start then compared.day_orders else 0 end as day_orders,
        case when compared.is_state_start then compared.day_revenue else 0 end as day_revenue
    from compared
    left join cells as eve_cells
        on
            compared.before_segment_rules_from = eve_cells.segment_rules_from
            and compared.eve_r_score = eve_cells.r_score
            and compared.eve_f_score = eve_cells.f_score
            and compared.eve_m_score = eve_cells.m_score
    left join stage_codes as silence_stage_codes on compared.silence_stage = silence_stage_codes.stage
    left join stage_codes as fresh_stage_codes on compared.fresh_stage = fresh_stage_codes.stage
)

select * from final
