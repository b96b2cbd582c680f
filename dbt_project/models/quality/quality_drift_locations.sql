with feature_values as (
    select * from {{ ref('int_feature_values') }}
    where feature <> 'items'
),

values_ranked as (
    select
        *,
        sum(reference_count) over up_to_value as reference_up_to,
        sum(current_count) over up_to_value as current_up_to,
        sum(reference_count) over (partition by feature, comparison) as reference_total,
        sum(current_count) over (partition by feature, comparison) as current_total
    from feature_values
    window
        up_to_value as (
            partition by feature, comparison order by value
            rows between unbounded preceding and current row
        )
),

-- The middle one of an odd number, halfway between the middle two of an even one.
medians as (
    select
        feature,
        comparison,
        {% for side in ['reference', 'current'] %}
        cast((
            min(case when 2 * {{ side }}_up_to >= {{ side }}_total and {{ side }}_count > 0 then value end)
            + min(case when 2 * {{ side }}_up_to > {{ side }}_total and {{ side }}_count > 0 then value end)
        ) * 0.5 as decimal(20, 5)) as {{ side }}_median,
        sum({{ side }}_count * value) as {{ side }}_sum,
        {% endfor %}
        max(reference_total) as reference_count,
        max(current_total) as current_count
    from values_ranked
    group by feature, comparison
),

-- Sums are taken of what is left beside the median: exact, and small enough to be squared.
differences as (
    select
        {% for side in ['reference', 'current'] %}
        cast(
            feature_values.value - cast(coalesce(medians.{{ side }}_median, 0) as decimal(18, 4))
            as decimal(18, 4)
        ) as {{ side }}_difference,
        feature_values.{{ side }}_count,
        {% endfor %}
        feature_values.feature,
        feature_values.comparison,
        abs(feature_values.value - medians.reference_median) as distance
    from feature_values
    inner join medians
        on
            feature_values.feature = medians.feature
            and feature_values.comparison = medians.comparison
),

moments as (
    select
        {% for side in ['reference', 'current'] %}
        sum({{ side }}_count * {{ side }}_difference) as {{ side }}_difference_sum,
        sum({{ side }}_count * ({{ side }}_difference * {{ side }}_difference)) as {{ side }}_square_sum,
        {% endfor %}
        feature,
        comparison
    from differences
    group by feature, comparison
),

distances as (
    select
        feature,
        comparison,
        distance,
        sum(reference_count) as reference_count
    from differences
    where reference_count > 0
    group by feature, comparison, distance
),

distances_ranked as (
    select
        *,
        sum(reference_count) over (
            partition by feature, comparison order by distance
            rows between unbounded preceding and current row
        ) as up_to,
        sum(reference_count) over (partition by feature, comparison) as total
    from distances
),

deviations as (
    select
        feature,
        comparison,
        cast((
            min(case when 2 * up_to >= total then distance end)
            + min(case when 2 * up_to > total then distance end)
        ) * 0.5 as decimal(21, 6)) as reference_mad
    from distances_ranked
    group by feature, comparison
),

final as (
    select
        medians.feature,
        medians.comparison,
        cast(medians.reference_count as bigint) as reference_count,
        {{ as_double('medians.reference_median') }} as reference_median,
        {{ as_double('deviations.reference_mad') }} as reference_mad,
        {{ as_double('medians.reference_sum') }} / nullif(medians.reference_count, 0) as reference_mean,
        {{ exact_stddev(
            'medians.reference_count', 'moments.reference_difference_sum', 'moments.reference_square_sum'
        ) }} as reference_stddev,
        cast(medians.current_count as bigint) as current_count,
        {{ as_double('medians.current_median') }} as current_median,
        {{ as_double('medians.current_sum') }} / nullif(medians.current_count, 0) as current_mean,
        {{ exact_stddev(
            'medians.current_count', 'moments.current_difference_sum', 'moments.current_square_sum'
        ) }} as current_stddev
    from medians
    inner join moments
        on
            medians.feature = moments.feature
            and medians.comparison = moments.comparison
    left join deviations
        on
            medians.feature = deviations.feature
            and medians.comparison = deviations.comparison
)

select * from final
