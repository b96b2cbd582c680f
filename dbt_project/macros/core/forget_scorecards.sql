{% macro forget_scorecards() %}
    {% if is_incremental() %}
    {% set condition %}
        calibrated_on >= (select coalesce(min(order_day), {{ far_future() }}) from {{ ref('int_days_changed') }})
        or scorecard_id not in (select listed.scorecard_id from {{ ref('int_calibrations') }} as listed)
    {% endset %}
    {{ forget_rows(condition) }}
    {% endif %}
{% endmacro %}
