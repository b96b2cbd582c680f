with period_moves as (
    select * from {{ ref('int_period_moves') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

segment_days as (
    select * from {{ ref('int_segment_days') }}
),

segment_codes as (
    select distinct
        segment_code,
        segment
    from {{ ref('int_cells') }}
),

starts as (
    select
        periods.period,
        periods.period_start,
        segment_days.segment_code,
        segment_days.customers
    from periods
    inner join segment_days on periods.eve = segment_days.date_day
),

ends as (
    select
        periods.period,
        periods.period_start,
        segment_days.segment_code,
        segment_days.monetary
    from periods
    inner join segment_days on periods.period_end = segment_days.date_day
),

moved_out as (
    select
        period,
        period_start,
        from_segment_code as segment_code,
        sum(customers) as customers
    from period_moves
    group by period, period_start, from_segment_code
),

moved_in as (
    select
        period,
        period_start,
        to_segment_code as segment_code,
        sum(monetary) as monetary
    from period_moves
    group by period, period_start, to_segment_code
),

-- Who is in a segment at the start and did not move or leave stayed, whatever happened in between.
stayers as (
    select
        starts.period,
        starts.period_start,
        starts.segment_code as from_segment_code,
        starts.segment_code as to_segment_code,
        cast(null as smallint) as cause_code,
        starts.customers - coalesce(moved_out.customers, 0) as customers,
        ends.monetary - coalesce(moved_in.monetary, 0) as monetary
    from starts
    inner join ends
        on
            starts.period = ends.period
            and starts.period_start = ends.period_start
            and starts.segment_code = ends.segment_code
    left join moved_out
        on
            starts.period = moved_out.period
            and starts.period_start = moved_out.period_start
            and starts.segment_code = moved_out.segment_code
    left join moved_in
        on
            starts.period = moved_in.period
            and starts.period_start = moved_in.period_start
            and starts.segment_code = moved_in.segment_code
),

migrations as (
    select
        period,
        period_start,
        from_segment_code,
        to_segment_code,
        cause_code,
        customers,
        monetary
    from period_moves
    union all
    select *
    from stayers
    where customers > 0
),

final as (
    select
        migrations.period,
        migrations.period_start,
        periods.period_end,
        from_segments.segment as from_segment,
        to_segments.segment as to_segment,
        {{ cause_name('migrations.cause_code') }} as cause,
        cast(migrations.customers as bigint) as customers,
        cast(migrations.monetary as decimal(18, 4)) as monetary,
        {{ exact_share('migrations.customers', 'starts.customers') }} as share_of_from
    from migrations
    inner join periods
        on
            migrations.period = periods.period
            and migrations.period_start = periods.period_start
    left join starts
        on
            migrations.period = starts.period
            and migrations.period_start = starts.period_start
            and migrations.from_segment_code = starts.segment_code
    left join segment_codes as from_segments on migrations.from_segment_code = from_segments.segment_code
    left join segment_codes as to_segments on migrations.to_segment_code = to_segments.segment_code
)

select * from final
