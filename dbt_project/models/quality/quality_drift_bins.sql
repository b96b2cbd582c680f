{% set bins = 10 %}
{# Beyond these, categories are counted together: free text in a channel must not become a table. #}
{% set most_categories = 100 %}
with feature_values as (
    select * from {{ ref('int_feature_values') }}
    where comparison in ('scorecard', 'flow')
),

orders_by_day as (
    select * from {{ ref('int_orders_by_day') }}
    where
        channel is not null
        and counted_orders > 0
),

flow_windows as (
    select * from {{ ref('int_flow_windows') }}
),

totals as (
    select
        feature,
        comparison,
        max(reference_up_to) as reference_total
    from feature_values
    group by feature, comparison
),

-- Edge k is the lowest value up to which there are k tenths of the reference.
edges as (
    select
        {% for number in range(1, bins) %}
        min(
            case
                when feature_values.reference_up_to * {{ bins }} >= totals.reference_total * {{ number }}
                    then feature_values.value
            end
        ) as edge_{{ number }},
        {% endfor %}
        feature_values.feature,
        feature_values.comparison
    from feature_values
    inner join totals
        on
            feature_values.feature = totals.feature
            and feature_values.comparison = totals.comparison
    where totals.reference_total > 0
    group by feature_values.feature, feature_values.comparison
),

-- Equal edges are one, and bins are numbered by the edges that are left.
edges_numbered as (
    {% for number in range(1, bins) %}
    select
        feature,
        comparison,
        edge_{{ number }} as edge,
        1
        {%- for other in range(2, number + 1) %}
        + case when edge_{{ other }} > edge_{{ other - 1 }} then 1 else 0 end
        {%- endfor %} as bin
    from edges
    {% if not loop.last %}union{% endif %}
    {% endfor %}
),

-- The last bin is open, and listed when nothing lies in it, too.
bins as (
    select
        feature,
        comparison,
        bin,
        edge,
        false as is_open
    from edges_numbered
    union all
    select
        feature,
        comparison,
        max(bin) + 1 as bin,
        max(edge) as edge,
        true as is_open
    from edges_numbered
    group by feature, comparison
),

values_binned as (
    select
        feature_values.feature,
        feature_values.comparison,
        feature_values.reference_count,
        feature_values.current_count,
        1
        + case when feature_values.value > edges.edge_1 then 1 else 0 end
        {%- for number in range(2, bins) %}
        + case
            when
                feature_values.value > edges.edge_{{ number }}
                and edges.edge_{{ number }} > edges.edge_{{ number - 1 }}
                then 1
            else 0
        end
        {%- endfor %} as bin
    from feature_values
    inner join edges
        on
            feature_values.feature = edges.feature
            and feature_values.comparison = edges.comparison
),

counted as (
    select
        feature,
        comparison,
        bin,
        sum(reference_count) as reference_count,
        sum(current_count) as current_count
    from values_binned
    group by feature, comparison, bin
),

number_bins as (
    select
        bins.feature,
        bins.comparison,
        bins.bin,
        bins.edge,
        bins.is_open,
        coalesce(counted.reference_count, 0) as reference_count,
        coalesce(counted.current_count, 0) as current_count
    from bins
    left join counted
        on
            bins.feature = counted.feature
            and bins.comparison = counted.comparison
            and bins.bin = counted.bin
),

channels as (
    select
        orders_by_day.channel,
        sum(
            case
                when
                    orders_by_day.date_day >= flow_windows.reference_from
                    and orders_by_day.date_day <= flow_windows.reference_to
                    then orders_by_day.counted_orders
                else 0
            end
        ) as reference_count,
        sum(
            case
                when
                    orders_by_day.date_day >= flow_windows.current_from
                    and orders_by_day.date_day <= flow_windows.current_to
                    then orders_by_day.counted_orders
                else 0
            end
        ) as current_count
    from orders_by_day
    cross join flow_windows
    group by orders_by_day.channel
),

channels_ranked as (
    select
        *,
        row_number() over (
            order by greatest(reference_count, current_count) desc, reference_count desc, channel asc
        ) as place,
        sum(reference_count) over () as reference_total
    from channels
    where reference_count + current_count > 0
),

channels_pooled as (
    select
        case when place <= {{ most_categories }} then channel else '(others)' end as bin_label,
        min(place) as place,
        sum(reference_count) as reference_count,
        sum(current_count) as current_count
    from channels_ranked
    where reference_total > 0
    group by case when place <= {{ most_categories }} then channel else '(others)' end
),

channel_bins as (
    select
        row_number() over (order by place) as bin,
        bin_label,
        reference_count,
        current_count
    from channels_pooled
),

final as (
    select
        feature,
        comparison,
        cast(bin as integer) as bin,
        case when is_open then 'over ' else '' end
        || case
            when feature in ('monetary', 'order_value') then cast(edge as {{ dbt.type_string() }})
            else cast(cast(edge as bigint) as {{ dbt.type_string() }})
        end as bin_label,
        cast(reference_count as bigint) as reference_count,
        cast(current_count as bigint) as current_count
    from number_bins
    union all
    select
        'channel' as feature,
        'flow' as comparison,
        cast(bin as integer) as bin,
        bin_label,
        cast(reference_count as bigint) as reference_count,
        cast(current_count as bigint) as current_count
    from channel_bins
)

select * from final
