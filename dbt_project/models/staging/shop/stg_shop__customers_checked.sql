{{ config(materialized='table') }}

with customers as (
    select * from {{ ref('base_shop__customers') }}
),

cleaned as (
    select
        source_file,
        source_line,
        excluded_by,
        loader_problem,
        {{ clean_id('customer_id') }} as customer_id
    from customers
),

judged as (
    select
        *,
        case
            when loader_problem is not null then loader_problem
            when {{ is_unclean_id('customer_id') }}
                then {{ id_problem('customer_id', 'NULL_CUSTOMER') }}
        end as first_problem
    from cleaned
),

compared as (
    select
        *,
        case when excluded_by is null and first_problem is null then customer_id end as compared_id
    from judged
),

ranked as (
    select
        *,
        row_number() over (
            partition by compared_id
            order by source_file nulls last, source_line nulls last
        ) as delivery
    from compared
),

final as (
    select
        source_file,
        source_line,
        customer_id,
        case
            when excluded_by is not null then 'excluded'
            when first_problem is not null then 'rejected'
            when delivery > 1 then 'duplicate'
            else 'accepted'
        end as outcome,
        case
            when first_problem is not null then first_problem
            when compared_id is not null and delivery > 1 then 'EXACT_DUPLICATE|customer_id'
        end as problem
    from ranked
)

select * from final
