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

values_ranked as (
    select
        *,
        sum(reference_count) over (
            partition by feature, comparison order by value
            rows between unbounded preceding and current row
        ) as reference_up_to,
        sum(reference_count) over (partition by feature, comparison) as reference_total
    from feature_values
),

-- A value closes a bin when it takes the share of the reference over one tenth more, or over several.
values_closing as (
    select
        *,
        least(floor(reference_up_to * {{ bins }} / cast(reference_total as decimal(18, 1))), {{ bins - 1 }})
        > least(
            floor((reference_up_to - reference_count) * {{ bins }} / cast(reference_total as decimal(18, 1))),
            {{ bins - 1 }}
        ) as is_edge
    from values_ranked
    where reference_total > 0
),

values_binned as (
    select
        *,
        1 + coalesce(sum(case when is_edge then 1 else 0 end) over (
            partition by feature, comparison order by value
            rows between unbounded preceding and 1 preceding
        ), 0) as bin
    from values_closing
),

edges as (
    select
        feature,
        comparison,
        count(*) as edge_count,
        max(value) as last_edge
    from values_binned
    where is_edge
    group by feature, comparison
),

-- The last bin is open, and listed when nothing lies in it, too.
counted as (
    select
        feature,
        comparison,
        bin,
        max(case when is_edge then value end) as edge,
        sum(reference_count) as reference_count,
        sum(current_count) as current_count
    from values_binned
    group by feature, comparison, bin
    union all
    select
        feature,
        comparison,
        edge_count + 1 as bin,
        cast(null as decimal(18, 4)) as edge,
        0 as reference_count,
        0 as current_count
    from edges
),

number_bins as (
    select
        counted.feature,
        counted.comparison,
        counted.bin,
        coalesce(max(counted.edge), max(edges.last_edge)) as edge,
        max(counted.edge) is null as is_open,
        sum(counted.reference_count) as reference_count,
        sum(counted.current_count) as current_count
    from counted
    inner join edges
        on
            counted.feature = edges.feature
            and counted.comparison = edges.comparison
    group by counted.feature, counted.comparison, counted.bin
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
