{% macro forget_batches() %}
    {% if is_incremental() %}
    {{ forget_rows('batch in (select changed.batch from ' ~ ref('stg_shop__order_batches_changed') ~ ' as changed)') }}
    {% endif %}
{% endmacro %}
