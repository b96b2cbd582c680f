{% set is_ranked = var('tie_rule') == 'rank_first' %}
{% set tie = 'frequency_tie' if is_ranked else none %}
with customer_days as (
    select * from {{ ref('int_customer_days') }}
    where
        last_order_date is not null
        and valid_from <= {{ as_of() }}
        and valid_to > {{ as_of() }}
),

customer_returns as (
    select * from {{ ref('int_customer_returns') }}
),

current_customers as (
    select * from {{ ref('int_customers_current') }}
),

regimes as (
    select * from {{ ref('int_regimes') }}
    where
        valid_from <= {{ as_of() }}
        and valid_to > {{ as_of() }}
),

cells as (
    select * from {{ ref('int_cells') }}
),

segment_codes as (
    select distinct
        segment_code,
        segment
    from cells
),

stage_codes as (
    select * from {{ ref('int_stage_codes') }}
),

stages_in_force as (
    select lifecycle_stages.*
    from {{ ref('lifecycle_stages') }} as lifecycle_stages
    inner join regimes on lifecycle_stages.valid_from = regimes.lifecycle_from
),

otherwise_stages as (
    select stage
    from stages_in_force
    where clock = 'otherwise'
),

days as (
    select distinct first_order_date as date_day from customer_days
    union
    select distinct last_order_date as date_day from customer_days
),

days_past as (
    select
        date_day,
        {{ days_between('date_day', as_of()) }} as days_ago
    from days
),

silence_stages as (
    select
        days_past.date_day as last_order_date,
        min(stages_in_force.stage) as stage
    from days_past
    inner join stages_in_force
        on
            days_past.days_ago >= stages_in_force.from_day
            and days_past.days_ago <= coalesce(stages_in_force.to_day, days_past.days_ago)
    where stages_in_force.clock = 'silence'
    group by days_past.date_day
),

first_order_stages as (
    select
        days_past.date_day as first_order_date,
        min(stages_in_force.stage) as stage
    from days_past
    inner join stages_in_force
        on
            days_past.days_ago >= stages_in_force.from_day
            and days_past.days_ago <= coalesce(stages_in_force.to_day, days_past.days_ago)
    where stages_in_force.clock = 'since_first_order'
    group by days_past.date_day
),

return_stages as (
    select
        customer_returns.customer_id,
        min(stages_in_force.stage) as stage
    from customer_returns
    inner join stages_in_force
        on
            customer_returns.gap_reached >= stages_in_force.after_gap_days
            and {{ days_between('customer_returns.returned_on', as_of()) }} >= stages_in_force.from_day
            and {{ days_between('customer_returns.returned_on', as_of()) }} <= stages_in_force.to_day
    where
        stages_in_force.clock = 'since_return'
        and customer_returns.returned_on <= {{ as_of() }}
    group by customer_returns.customer_id
),

states as (
    select
        customer_id,
        first_order_date,
        last_order_date,
        {{ days_between('last_order_date', as_of()) }} as silent_days,
        orders,
        monetary
    from customer_days
),

scored as (
    select
        states.customer_id,
        states.first_order_date,
        states.last_order_date,
        regimes.segment_rules_from,
        6 - ({{ score('states.silent_days', 'recency_cut', prefix='regimes.') }}) as r_score,
        {{ score('states.orders', 'frequency_cut', tie, 'regimes.') }} as f_score,
        {{ score('states.monetary', 'monetary_cut', prefix='regimes.') }} as m_score
    from states
    cross join regimes
),

labelled as (
    select
        scored.customer_id,
        scored.r_score,
        scored.f_score,
        scored.m_score,
        cells.segment,
        coalesce(
            silence_stages.stage,
            first_order_stages.stage,
            return_stages.stage,
            otherwise_stages.stage
        ) as stage
    from scored
    cross join otherwise_stages
    left join cells
        on
            scored.segment_rules_from = cells.segment_rules_from
            and scored.r_score = cells.r_score
            and scored.f_score = cells.f_score
            and scored.m_score = cells.m_score
    left join silence_stages on scored.last_order_date = silence_stages.last_order_date
    left join first_order_stages on scored.first_order_date = first_order_stages.first_order_date
    left join return_stages on scored.customer_id = return_stages.customer_id
),

timeline_labels as (
    select
        current_customers.customer_id,
        current_customers.r_score,
        current_customers.f_score,
        current_customers.m_score,
        segment_codes.segment,
        stage_codes.stage
    from current_customers
    left join segment_codes on current_customers.segment_code = segment_codes.segment_code
    left join stage_codes on current_customers.stage_code = stage_codes.stage_code
),

compared as (
    select
        case
            when
                labelled.customer_id is null
                or timeline_labels.customer_id is null
                {% for column in ['r_score', 'f_score', 'm_score', 'segment', 'stage'] %}
                or (labelled.{{ column }} is distinct from timeline_labels.{{ column }})
                {% endfor %}
                then 1
            else 0
        end as is_differing
    from labelled
    full outer join timeline_labels on labelled.customer_id = timeline_labels.customer_id
),

differences as (
    select
        count(*) as compared,
        sum(is_differing) as differing
    from compared
),

hashed as (
    select {{ row_hash(['customer_id', 'r_score', 'f_score', 'm_score', 'segment', 'stage']) }} as label_hash
    from timeline_labels
),

fingerprints as (
    select sum(cast(label_hash as decimal(38, 0))) as labels_fingerprint
    from hashed
),

final as (
    select
        cast(differences.compared as bigint) as compared,
        cast(coalesce(differences.differing, 0) as bigint) as differing,
        cast(coalesce(fingerprints.labels_fingerprint, 0) as decimal(38, 0)) as labels_fingerprint
    from differences
    cross join fingerprints
)

select * from final
