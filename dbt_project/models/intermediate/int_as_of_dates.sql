{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail') }}

with requested as (
    select {{ requested_day() }} as as_of_date
),

{% if is_incremental() %}
known as (
    select max(as_of_date) as as_of_date
    from {{ this }}
),

-- An old day that is run again brings its late orders in; it does not move the warehouse back.
newer as (
    select requested.as_of_date
    from requested
    cross join known
    where known.as_of_date is null or requested.as_of_date > known.as_of_date
),

final as (
    select * from newer
)
{% else %}
final as (
    select * from requested
)
{% endif %}

select * from final
