-- A returned row is a segment whose size on the newest day, kept by adding up moves, is not the
-- number of customers who hold it.
{{ config(meta={
    'description': 'Sizes kept by adding up moves equal the customers counted, segment by segment.',
    'dagster': {'ref': {'name': 'segment_daily_metrics'}},
}) }}

with daily_metrics as (
    select * from {{ ref('segment_daily_metrics') }}
),

customers as (
    select * from {{ ref('customers') }}
),

sizes as (
    select
        segment,
        customers as size,
        monetary
    from daily_metrics
    where date_day = {{ as_of() }}
),

counted as (
    select
        segment,
        count(*) as customers,
        sum(monetary) as monetary
    from customers
    where segment is not null
    group by segment
),

final as (
    select
        sizes.segment,
        sizes.size,
        counted.customers
    from sizes
    left join counted on sizes.segment = counted.segment
    where
        sizes.size <> coalesce(counted.customers, 0)
        or sizes.monetary <> coalesce(counted.monetary, 0)
)

select * from final
