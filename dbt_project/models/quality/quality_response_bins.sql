{# Money has at most fourteen digits before the point: bins of the doubled width up to there. #}
{% set highest_power = 47 %}
with segment_futures as (
    select * from {{ ref('int_segment_futures') }}
    where horizon_days = 28
),

segment_codes as (
    select distinct
        segment_code,
        segment
    from {{ ref('int_cells') }}
),

exponents as (
    select
        0 as first_exponent,
        {{ highest_power }} as last_exponent
),

exploded as (
    {{ explode_integers('exponents', 'first_exponent', 'last_exponent') }}
),

-- Compared with whole powers instead of taking a logarithm, which no two engines round alike.
powers as (
    select
        number + 2 as bin,
        cast(power(2, number) as decimal(18, 0)) as lowest_revenue,
        cast(power(2, number + 1) as decimal(18, 0)) as revenue_below
    from exploded
),

revenues as (
    select
        segment_code,
        revenue,
        sum(customers) as customers
    from segment_futures
    group by segment_code, revenue
),

binned as (
    select
        revenues.segment_code,
        revenues.customers,
        case
            when revenues.revenue <= 0 then 0
            when revenues.revenue < 1 then 1
            else powers.bin
        end as bin
    from revenues
    left join powers
        on
            revenues.revenue >= powers.lowest_revenue
            and revenues.revenue < powers.revenue_below
),

final as (
    select
        segment_codes.segment,
        cast(binned.bin as integer) as bin,
        cast(sum(binned.customers) as bigint) as customers
    from binned
    inner join segment_codes on binned.segment_code = segment_codes.segment_code
    group by segment_codes.segment, binned.bin
)

select * from final
