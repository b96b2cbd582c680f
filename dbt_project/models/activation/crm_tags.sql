with customers as (
    select * from {{ ref('customers') }}
),

memberships as (
    select * from {{ ref('audience_memberships') }}
),

catalogue as (
    select * from {{ ref('audience_catalogue') }}
),

labelled as (
    select
        memberships.customer_id,
        {{ value_at_earliest('memberships.audience', 'catalogue.priority') }} as first_audience,
        {{ ordered_list('memberships.audience') }} as audiences
    from memberships
    inner join catalogue on memberships.audience = catalogue.audience
    group by memberships.customer_id
),

final as (
    select
        customers.customer_id,
        customers.as_of_date,
        coalesce(labelled.first_audience, customers.segment, customers.lifecycle_stage) as primary_label,
        customers.segment,
        customers.lifecycle_stage,
        labelled.audiences
    from customers
    left join labelled on customers.customer_id = labelled.customer_id
)

select * from final
