with late_orders as (
    select * from {{ ref('int_late_orders') }}
),

final as (
    select
        arrived_orders,
        late_orders
    from late_orders
)

select * from final
