{% set calibrate = var('calibrate') %}
{% set period = {'quarterly': 'quarter', 'monthly': 'month', 'yearly': 'year'}.get(calibrate) %}
with customer_days as (
    select * from {{ ref('int_customer_days') }}
),

{% if var('score_method') == 'fixed' %}
fixed_score_cuts as (
    select * from {{ ref('fixed_score_cuts') }}
),

versions as (
    select distinct valid_from
    from fixed_score_cuts
),

final as (
    select
        'fixed-' || cast(valid_from as {{ dbt.type_string() }}) as scorecard_id,
        valid_from as calibrated_on,
        valid_from as takes_over_on,
        false as is_provisional
    from versions
)
{% else %}
starts as (
    select
        valid_from as start_day,
        count(*) as customers
    from customer_days
    where
        last_order_date is not null
        and previous_last_order_date is null
    group by valid_from
),

customers_so_far as (
    select
        start_day,
        sum(customers) over (order by start_day rows between unbounded preceding and current row) as customers
    from starts
),

-- Until enough customers and enough history are known, the first day that knows enough serves the
-- days before it; a shop that never gets there is scored on its newest day, and says so.
eligibility as (
    select
        {{ as_of() }} as as_of_date,
        greatest(
            min(case when customers >= {{ var('min_calibration_customers') | int }} then start_day end),
            {{ add_days('min(start_day)', var('min_calibration_days')) }}
        ) as eligible_on,
        max(customers) >= {{ var('min_calibration_customers') | int }} as has_enough_customers
    from customers_so_far
    having count(*) > 0
),

first_calibration as (
    select
        as_of_date,
        {% if calibrate == 'as_of' %}
        as_of_date as calibrated_on,
        {% else %}
        case when has_enough_customers then least(eligible_on, as_of_date) else as_of_date end as calibrated_on,
        {% endif %}
        not has_enough_customers or eligible_on > as_of_date as is_provisional
    from eligibility
),

{% if period %}
calendar as (
    {{ explode_days('first_calibration', 'calibrated_on', 'as_of_date') }}
),

calibration_days as (
    select
        calibrated_on,
        is_provisional
    from first_calibration
    union
    select
        date_day as calibrated_on,
        is_provisional
    from calendar
    where cast({{ dbt.date_trunc(period, add_days('date_day', 1)) }} as date) = {{ add_days('date_day', 1) }}
),
{% else %}
calibration_days as (
    select
        calibrated_on,
        is_provisional
    from first_calibration
),
{% endif %}

final as (
    select
        'calibrated-' || cast(calibrated_on as {{ dbt.type_string() }}) as scorecard_id,
        calibrated_on,
        {{ add_days('calibrated_on', 1) }} as takes_over_on,
        is_provisional
    from calibration_days
)
{% endif %}

select * from final
