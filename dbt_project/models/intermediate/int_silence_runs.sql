with customer_days as (
    select * from {{ ref('int_customer_days') }}
),

regimes as (
    select * from {{ ref('int_regimes') }}
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

silence_stages as (
    select * from lifecycle_stages
    where clock = 'silence'
),

last_order_dates as (
    select distinct last_order_date
    from customer_days
    where last_order_date is not null
),

recency_bounds as (
    {% for number in range(1, 5) %}
    select
        scorecard_id,
        ruleset_id,
        recency_cut_{{ number }} + 1 as days
    from regimes
    {% if not loop.last %}union{% endif %}
    {% endfor %}
),

stage_bounds as (
    select
        regimes.scorecard_id,
        regimes.ruleset_id,
        silence_stages.from_day as days
    from regimes
    inner join silence_stages on regimes.lifecycle_from = silence_stages.valid_from
    union
    select
        regimes.scorecard_id,
        regimes.ruleset_id,
        silence_stages.to_day + 1 as days
    from regimes
    inner join silence_stages on regimes.lifecycle_from = silence_stages.valid_from
    where silence_stages.to_day is not null
),

bounds as (
    select * from recency_bounds
    union
    select * from stage_bounds
),

-- A label can change on the order's day, where a regime starts, and where silence crosses a bound of
-- the regime of that day; nowhere else.
candidates as (
    select
        last_order_date,
        last_order_date as valid_from
    from last_order_dates
    union
    select
        last_order_dates.last_order_date,
        regimes.valid_from
    from last_order_dates
    inner join regimes on regimes.valid_from > last_order_dates.last_order_date
    union
    select
        last_order_dates.last_order_date,
        {{ add_days('last_order_dates.last_order_date', 'bounds.days') }} as valid_from
    from last_order_dates
    cross join regimes
    inner join bounds
        on
            regimes.scorecard_id = bounds.scorecard_id
            and regimes.ruleset_id = bounds.ruleset_id
    where
        bounds.days > 0
        and {{ add_days('last_order_dates.last_order_date', 'bounds.days') }} >= regimes.valid_from
        and {{ add_days('last_order_dates.last_order_date', 'bounds.days') }} < regimes.valid_to
),

silences as (
    select
        last_order_date,
        valid_from,
        {{ days_between('last_order_date', 'valid_from') }} as silent_days,
        {{ days_between('last_order_date', 'valid_from') }} - 1 as silent_days_before
    from candidates
),

-- What the regime of the day says of the silence, and what it would say of a day less.
scored as (
    select
        silences.last_order_date,
        silences.valid_from,
        6 - ({{ score('silences.silent_days', 'recency_cut', prefix='regimes.') }}) as r_score,
        6 - ({{ score('silences.silent_days_before', 'recency_cut', prefix='regimes.') }}) as younger_r_score,
        stages.stage as silence_stage,
        younger_stages.stage as younger_silence_stage
    from silences
    inner join regimes
        on
            silences.valid_from >= regimes.valid_from
            and silences.valid_from < regimes.valid_to
    left join silence_stages as stages
        on
            regimes.lifecycle_from = stages.valid_from
            and silences.silent_days >= stages.from_day
            and silences.silent_days <= coalesce(stages.to_day, silences.silent_days)
    left join silence_stages as younger_stages
        on
            regimes.lifecycle_from = younger_stages.valid_from
            and silences.silent_days_before >= younger_stages.from_day
            and silences.silent_days_before <= coalesce(younger_stages.to_day, silences.silent_days_before)
),

compared as (
    select
        *,
        lag(r_score) over (partition by last_order_date order by valid_from) as r_score_before,
        lag(silence_stage) over (partition by last_order_date order by valid_from) as silence_stage_before
    from scored
),

starts as (
    select
        last_order_date,
        valid_from,
        r_score,
        silence_stage,
        valid_from > last_order_date
        and (
            r_score <> younger_r_score
            or silence_stage is distinct from younger_silence_stage
        ) as is_aged
    from compared
    where
        r_score_before is null
        or r_score <> r_score_before
        or silence_stage is distinct from silence_stage_before
),

final as (
    select
        last_order_date,
        valid_from,
        lead(valid_from, 1, {{ far_future() }}) over (partition by last_order_date order by valid_from) as valid_to,
        r_score,
        silence_stage,
        is_aged
    from starts
)

select * from final
