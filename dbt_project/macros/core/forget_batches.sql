{% macro forget_batches() %}
    {#- A table of an earlier version is refused for its columns, not for a hook that fails. -#}
    {% if is_incremental() and is_stored_with('batch') %}
    {{ forget_rows('batch in (select changed.batch from ' ~ ref('stg_shop__order_batches_changed') ~ ' as changed)') }}
    {% endif %}
{% endmacro %}
