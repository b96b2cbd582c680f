with customer_days as (
    select * from {{ ref('int_customer_days') }}
),

current_customers as (
    select * from {{ ref('int_customers_current') }}
),

segment_codes as (
    select distinct
        segment_code,
        segment
    from {{ ref('int_cells') }}
),

segments as (
    select segment from {{ ref('segments') }}
    where preset = '{{ var("segment_preset") }}'
),

stage_codes as (
    select * from {{ ref('int_stage_codes') }}
),

-- Everybody with an order, whether or not the history came to a label for them.
buyers as (
    select customer_id
    from customer_days
    where
        last_order_date is not null
        and valid_from <= {{ as_of() }}
        and valid_to > {{ as_of() }}
),

segments_known as (
    select
        segment_codes.segment_code,
        segments.segment is not null as is_in_rules
    from segment_codes
    left join segments on segment_codes.segment = segments.segment
),

labelled as (
    select
        buyers.customer_id,
        segments_known.segment_code,
        segments_known.is_in_rules,
        stage_codes.stage_code
    from buyers
    left join current_customers on buyers.customer_id = current_customers.customer_id
    left join segments_known on current_customers.segment_code = segments_known.segment_code
    left join stage_codes on current_customers.stage_code = stage_codes.stage_code
),

final as (
    select
        cast(count(*) as bigint) as customers,
        cast(count(*) filter (where segment_code is null) as bigint) as without_segment,
        cast(count(*) filter (where not is_in_rules) as bigint) as unknown_segment,
        cast(count(*) filter (where stage_code is null) as bigint) as without_stage
    from labelled
)

select * from final
