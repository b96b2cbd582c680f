{{ config(materialized='view') }}
{% set has_merges = 'customer_merges' in var('inputs') %}
with intervals as (
    select * from {{ ref('int_timeline_intervals') }}
),

{% if has_merges %}
account_holders as (
    select * from {{ ref('int_account_holders') }}
    where customer_id = holder_id
),
{% endif %}

moved as (
    select
        customer_id,
        valid_from as date_day,
        previous_segment_code as from_segment_code,
        segment_code as to_segment_code,
        cause_code,
        monetary
    from intervals
    where
        valid_from <= {{ as_of() }}
        and segment_code is distinct from previous_segment_code
),

{% if has_merges %}
taken_over as (
    select
        intervals.customer_id,
        intervals.valid_to as date_day,
        intervals.segment_code as from_segment_code,
        cast(null as smallint) as to_segment_code,
        cast(7 as smallint) as cause_code,
        intervals.monetary
    from intervals
    inner join account_holders
        on
            intervals.customer_id = account_holders.customer_id
            and intervals.valid_to = account_holders.held_to
    where intervals.valid_to <= {{ as_of() }}
),

final as (
    select * from moved
    union all
    select * from taken_over
)
{% else %}
final as (
    select * from moved
)
{% endif %}

select * from final
