{% set bands = [(65, '65+'), (55, '55-64'), (45, '45-54'), (35, '35-44'), (25, '25-34'), (18, '18-24')] %}
with customers as (
    select * from {{ ref('customers') }}
),

known_customers as (
    select * from {{ ref('stg_shop__customers') }}
),

genders as (
    select
        customer_id,
        'gender' as attribute,
        lower(gender) as group_name
    from known_customers
    where gender is not null
),

age_bands as (
    select
        customer_id,
        'age' as attribute,
        case
            {% for youngest, band in bands %}
            when birth_date <= {{ years_before(as_of(), youngest) }} then '{{ band }}'
            {% endfor %}
            else 'under 18'
        end as group_name
    from known_customers
    where birth_date is not null
),

described as (
    select * from genders
    union all
    select * from age_bands
),

final as (
    select
        described.customer_id,
        described.attribute,
        described.group_name,
        customers.segment
    from described
    inner join customers on described.customer_id = customers.customer_id
)

select * from final
