{% set cuts = ['recency_cut', 'frequency_cut', 'monetary_cut', 'frequency_tie'] %}
with customer_days as (
    select * from {{ ref('int_customer_days') }}
),

regimes as (
    select * from {{ ref('int_regimes') }}
),

first_days as (
    select min(valid_from) as first_day
    from customer_days
),

last_regimes as (
    select max(valid_from) as last_start
    from regimes
),

-- After the newest day and the last regime's start nothing more changes, so one row serves the rest.
bounds as (
    select
        first_days.first_day,
        {{ add_days('greatest(' ~ as_of() ~ ', last_regimes.last_start, first_days.first_day)', 2) }} as last_day
    from first_days
    cross join last_regimes
    where first_days.first_day is not null
),

days as (
    {{ explode_days('bounds', 'first_day', 'last_day') }}
),

days_and_eves as (
    select
        date_day,
        {{ add_days('date_day', -1) }} as day_before
    from days
),

final as (
    select
        days_and_eves.date_day,
        regimes.segment_rules_from,
        regimes.lifecycle_from,
        before.lifecycle_from as before_lifecycle_from,
        regimes.scorecard_id <> before.scorecard_id as is_scorecard_start,
        regimes.segment_rules_from <> before.segment_rules_from
        or regimes.lifecycle_from <> before.lifecycle_from as is_ruleset_start,
        {% for cut in cuts %}
        {% for number in range(1, 5) %}
        regimes.{{ cut }}_{{ number }},
        before.{{ cut }}_{{ number }} as before_{{ cut }}_{{ number }},
        {% endfor %}
        {% endfor %}
        before.segment_rules_from as before_segment_rules_from
    from days_and_eves
    inner join regimes
        on
            days_and_eves.date_day >= regimes.valid_from
            and days_and_eves.date_day < regimes.valid_to
    inner join regimes as before
        on
            days_and_eves.day_before >= before.valid_from
            and days_and_eves.day_before < before.valid_to
)

select * from final
