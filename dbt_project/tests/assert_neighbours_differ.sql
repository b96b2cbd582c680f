-- A returned row is an interval that says the same as the one before it, or remembers another segment
-- than that one had.
{{ config(meta={
    'description': 'Neighbouring intervals differ in something, and each remembers the segment before it.',
    'dagster': {'ref': {'name': 'customer_timeline'}},
}) }}

{% set label_columns = [
    'r_score', 'f_score', 'm_score', 'segment', 'lifecycle_stage', 'first_order_date',
    'last_order_date', 'orders', 'monetary',
] %}
with timeline as (
    select * from {{ ref('customer_timeline') }}
),

described as (
    select
        customer_id,
        valid_from,
        {{ as_line(label_columns) }} as content,
        segment,
        previous_segment
    from timeline
),

compared as (
    select
        *,
        lag(content) over (partition by customer_id order by valid_from) as content_before,
        lag(segment) over (partition by customer_id order by valid_from) as segment_before
    from described
),

final as (
    select *
    from compared
    where
        content = content_before
        or segment_before is distinct from previous_segment
)

select * from final
