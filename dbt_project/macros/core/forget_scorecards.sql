{% macro forget_scorecards() %}
    {% if is_incremental() %}
    delete from {{ this }}
    where
        calibrated_on >= (select coalesce(min(order_day), {{ far_future() }}) from {{ ref('int_days_changed') }})
        or scorecard_id not in (select scorecard_id from {{ ref('int_calibrations') }})
    {% endif %}
{% endmacro %}
