{% set flapping_days = 14 %}
with segment_moves as (
    select
        moves.customer_id,
        moves.date_day,
        coalesce(moves.from_segment_code, 0) as from_segment_code,
        coalesce(moves.to_segment_code, 0) as to_segment_code
    from {{ ref('int_segment_moves') }} as moves
    where moves.date_day > {{ add_days(as_of(), 0 - flapping_days) }}
),

daily_metrics as (
    select * from {{ ref('segment_daily_metrics') }}
    where date_day = {{ as_of() }}
),

segment_codes as (
    select distinct
        segment_code,
        segment
    from {{ ref('int_cells') }}
),

segments_now as (
    select
        customer_id,
        {{ value_at_latest('to_segment_code', 'date_day') }} as segment_code
    from segment_moves
    group by customer_id
    having count(*) > 1
),

-- Who is where they left: what leads away from the present segment came before what led back.
customers_flapping as (
    select
        segments_now.segment_code,
        count(distinct segments_now.customer_id) as customers
    from segments_now
    inner join segment_moves
        on
            segments_now.customer_id = segment_moves.customer_id
            and segments_now.segment_code = segment_moves.from_segment_code
    where segments_now.segment_code <> 0
    group by segments_now.segment_code
),

final as (
    select
        daily_metrics.segment,
        daily_metrics.customers,
        cast(coalesce(customers_flapping.customers, 0) as bigint) as flapping
    from daily_metrics
    inner join segment_codes on daily_metrics.segment = segment_codes.segment
    left join customers_flapping on segment_codes.segment_code = customers_flapping.segment_code
)

select * from final
