with customers as (
    select * from {{ ref('customers') }}
),

known_customers as (
    select * from {{ ref('stg_shop__customers') }}
),

bands as (
    select * from {{ ref('age_bands') }}
),

newest as (
    select {{ as_of() }} as as_of_date
),

genders as (
    select
        customer_id,
        'gender' as attribute,
        lower(gender) as group_name
    from known_customers
    where gender is not null
),

reached_ages as (
    select
        known_customers.customer_id,
        max(bands.youngest) as youngest
    from known_customers
    cross join bands
    cross join newest
    where not {{ is_younger_than('known_customers.birth_date', 'newest.as_of_date', 'bands.youngest') }}
    group by known_customers.customer_id
),

ages as (
    select
        reached_ages.customer_id,
        'age' as attribute,
        bands.group_name
    from reached_ages
    inner join bands on reached_ages.youngest = bands.youngest
),

described as (
    select * from genders
    union all
    select * from ages
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
