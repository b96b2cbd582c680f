{% set causes = ['bought', 'aged', 'window_exit', 'recalibrated', 'rules_changed', 'corrected', 'merged'] %}
with migrations as (
    select * from {{ ref('segment_migrations') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

described as (
    select
        *,
        from_segment is not null as is_held_before,
        from_segment is not null and to_segment is not null and from_segment <> to_segment as is_moved
    from migrations
),

sums as (
    select
        period,
        period_start,
        sum(case when is_held_before then customers else 0 end) as customers_at_start,
        sum(case when is_moved then customers else 0 end) as customers_moved,
        {% for cause in causes %}
        sum(case when is_moved and cause = '{{ cause }}' then customers else 0 end) as moved_{{ cause }},
        {% endfor %}
        sum(case when from_segment is null then customers else 0 end) as customers_joined,
        sum(case when to_segment is null then customers else 0 end) as customers_left
    from described
    group by period, period_start
),

-- The matrix of moves has a row for each segment that somebody held at both ends.
matrix_rows as (
    select
        period,
        period_start,
        from_segment,
        sum(case when from_segment = to_segment then customers else 0 end) as stayed,
        sum(customers) as customers
    from described
    where
        is_held_before
        and to_segment is not null
    group by period, period_start, from_segment
),

stays as (
    select
        period,
        period_start,
        cast(stayed / cast(customers as decimal(18, 4)) as decimal(18, 12)) as share_stayed
    from matrix_rows
),

traces as (
    select
        period,
        period_start,
        count(*) as segments,
        sum(share_stayed) as trace
    from stays
    group by period, period_start
),

final as (
    select
        periods.period,
        periods.period_start,
        periods.period_end,
        periods.is_complete,
        cast(coalesce(sums.customers_at_start, 0) as bigint) as customers_at_start,
        cast(coalesce(sums.customers_moved, 0) as bigint) as customers_moved,
        {{ exact_share('sums.customers_moved', 'sums.customers_at_start') }} as share_moved,
        {% for cause in causes %}
        cast(coalesce(sums.moved_{{ cause }}, 0) as bigint) as moved_{{ cause }},
        {% endfor %}
        cast(coalesce(sums.customers_joined, 0) as bigint) as customers_joined,
        cast(coalesce(sums.customers_left, 0) as bigint) as customers_left,
        cast(
            (traces.segments - traces.trace) / nullif(cast(traces.segments - 1 as decimal(18, 4)), 0)
            as decimal(18, 6)
        ) as shorrocks_mobility
    from periods
    left join sums
        on
            periods.period = sums.period
            and periods.period_start = sums.period_start
    left join traces
        on
            periods.period = traces.period
            and periods.period_start = traces.period_start
)

select * from final
