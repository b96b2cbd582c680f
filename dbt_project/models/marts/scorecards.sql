with periods as (
    select * from {{ ref('int_scorecards') }}
),

scorecard_cuts as (
    select * from {{ ref('int_scorecard_cuts') }}
),

-- A metric with n cut points has n + 1 bins; the bin above the last cut has no upper end.
bins as (
    select
        scorecard_id,
        metric,
        cut_number as bin_number,
        population,
        lag(exceeds_value) over (partition by scorecard_id, metric order by cut_number) as above_value,
        exceeds_value as up_to_value,
        customers_not_above
        - lag(customers_not_above, 1, cast(0 as bigint)) over (
            partition by scorecard_id, metric order by cut_number
        ) as customers
    from scorecard_cuts
    union all
    select
        scorecard_id,
        metric,
        max(cut_number) + 1 as bin_number,
        max(population) as population,
        max(exceeds_value) as above_value,
        cast(null as decimal(18, 4)) as up_to_value,
        max(population) - max(customers_not_above) as customers
    from scorecard_cuts
    group by scorecard_id, metric
),

final as (
    select
        bins.scorecard_id,
        bins.metric,
        cast(case when bins.metric = 'recency' then 6 - bins.bin_number else bins.bin_number end as integer) as score,
        '{{ var("score_method") }}' as method,
        bins.above_value,
        bins.up_to_value,
        cast(bins.population as bigint) as population,
        cast(bins.customers as bigint) as customers,
        {{ exact_share('bins.customers', 'bins.population') }} as share,
        periods.is_provisional,
        periods.calibrated_on,
        periods.valid_from,
        periods.valid_to
    from bins
    inner join periods on bins.scorecard_id = periods.scorecard_id
)

select * from final
