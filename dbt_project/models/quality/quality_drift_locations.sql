{# Money has four decimals: in ten-thousandths every value is a whole number, and fast to compute with. #}
{% set units = 10000 %}
{% set sides = ['reference', 'current'] %}
{% set compared = [
    ('recency', 'scorecard'), ('frequency', 'scorecard'), ('monetary', 'scorecard'),
    ('order_value', 'flow'), ('order_value', 'day'),
] %}
with feature_values as (
    select
        feature,
        comparison,
        cast(cast(value as decimal(38, 4)) * {{ units }} as bigint) as value_units,
        reference_count,
        current_count,
        reference_up_to,
        current_up_to
    from {{ ref('int_feature_values') }}
    where feature <> 'items'
),

totals as (
    select
        feature,
        comparison,
        max(reference_up_to) as reference_total,
        max(current_up_to) as current_total
    from feature_values
    group by feature, comparison
),

-- The middle one of an odd number, the middle two of an even one.
middles as (
    select
        {% for side in sides %}
        min(
            case when feature_values.{{ side }}_up_to * 2 >= totals.{{ side }}_total then feature_values.value_units end
        ) as {{ side }}_lower,
        min(
            case when feature_values.{{ side }}_up_to * 2 > totals.{{ side }}_total then feature_values.value_units end
        ) as {{ side }}_upper,
        max(totals.{{ side }}_total) as {{ side }}_count,
        {% endfor %}
        feature_values.feature,
        feature_values.comparison
    from feature_values
    inner join totals
        on
            feature_values.feature = totals.feature
            and feature_values.comparison = totals.comparison
    group by feature_values.feature, feature_values.comparison
),

-- Sums are taken of what is left beside the middle: exact, and small enough to be squared. Distances
-- are from the median, which may lie between two values, so they are counted in half units.
differences as (
    select
        {% for side in sides %}
        feature_values.{{ side }}_count,
        feature_values.value_units - coalesce(middles.{{ side }}_lower, 0) as {{ side }}_difference,
        {% endfor %}
        feature_values.feature,
        feature_values.comparison,
        abs(2 * feature_values.value_units - middles.reference_lower - middles.reference_upper) as distance
    from feature_values
    inner join middles
        on
            feature_values.feature = middles.feature
            and feature_values.comparison = middles.comparison
),

moments as (
    select
        {% for side in sides %}
        sum(
            cast({{ side }}_count as decimal(19, 0)) * {{ side }}_difference
        ) as {{ side }}_difference_sum,
        sum(
            {{ side }}_count * (cast({{ side }}_difference as decimal(38, 0)) * {{ side }}_difference)
        ) as {{ side }}_square_sum,
        {% endfor %}
        feature,
        comparison
    from differences
    group by feature, comparison
),

distances_ranked as (
    {% for feature, comparison in compared %}
    select
        feature,
        comparison,
        distance,
        sum(reference_count) over (
            order by distance rows between unbounded preceding and current row
        ) as up_to
    from differences
    where
        feature = '{{ feature }}'
        and comparison = '{{ comparison }}'
        and reference_count > 0
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

deviations as (
    select
        distances_ranked.feature,
        distances_ranked.comparison,
        min(
            case when distances_ranked.up_to * 2 >= totals.reference_total then distances_ranked.distance end
        ) as lower_distance,
        min(
            case when distances_ranked.up_to * 2 > totals.reference_total then distances_ranked.distance end
        ) as upper_distance
    from distances_ranked
    inner join totals
        on
            distances_ranked.feature = totals.feature
            and distances_ranked.comparison = totals.comparison
    group by distances_ranked.feature, distances_ranked.comparison
),

final as (
    select
        middles.feature,
        middles.comparison,
        cast(middles.reference_count as bigint) as reference_count,
        {{ as_double('middles.reference_lower + middles.reference_upper') }} / {{ 2 * units }} as reference_median,
        {{ as_double('deviations.lower_distance + deviations.upper_distance') }} / {{ 4 * units }} as reference_mad,
        case
            when middles.reference_count > 0
                then (
                    {{ as_double('middles.reference_lower') }}
                    + {{ as_double('moments.reference_difference_sum') }} / middles.reference_count
                ) / {{ units }}
        end as reference_mean,
        {{ exact_stddev(
            'middles.reference_count', 'moments.reference_difference_sum', 'moments.reference_square_sum'
        ) }} / {{ units }} as reference_stddev,
        cast(middles.current_count as bigint) as current_count,
        {{ as_double('middles.current_lower + middles.current_upper') }} / {{ 2 * units }} as current_median,
        case
            when middles.current_count > 0
                then (
                    {{ as_double('middles.current_lower') }}
                    + {{ as_double('moments.current_difference_sum') }} / middles.current_count
                ) / {{ units }}
        end as current_mean,
        {{ exact_stddev(
            'middles.current_count', 'moments.current_difference_sum', 'moments.current_square_sum'
        ) }} / {{ units }} as current_stddev
    from middles
    inner join moments
        on
            middles.feature = moments.feature
            and middles.comparison = moments.comparison
    left join deviations
        on
            middles.feature = deviations.feature
            and middles.comparison = deviations.comparison
)

select * from final
