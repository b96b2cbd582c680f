-- depends_on: {{ ref('int_days_applied') }}
with as_of_dates as (
    select * from {{ ref('int_as_of_dates') }}
),

final as (
    select max(as_of_date) as as_of_date
    from as_of_dates
)

select * from final
