{% macro forget_batches() %}
    {% if is_incremental() %}
    delete from {{ this }} where batch in (select batch from {{ ref('stg_shop__order_batches_changed') }})
    {% endif %}
{% endmacro %}
