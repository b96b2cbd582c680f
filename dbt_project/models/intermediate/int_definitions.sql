{# Everything besides the orders that a label depends on: when it changes, everybody is recomputed. #}
{% set settings = {} %}
{% for name in [
    'business_timezone', 'currency', 'inputs', 'segment_preset', 'score_method', 'calibrate',
    'min_calibration_customers', 'min_calibration_days', 'tie_rule', 'cut_side', 'rfm_window_days',
    'monetary_measure', 'monetary_aggregate', 'count_zero_value_orders',
] %}
{% do settings.update({name: var(name)}) %}
{% endfor %}
{% set rule_columns = [
    'valid_from', 'priority', 'segment', 'r_min', 'r_max', 'f_min', 'f_max', 'm_min', 'm_max',
] %}
with segment_rules as (
    select * from {{ ref('segment_rules') }}
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

fixed_score_cuts as (
    select * from {{ ref('fixed_score_cuts') }}
),

customer_merges as (
    select * from {{ ref('stg_shop__customer_merges') }}
    where
        merge_date is null
        or merge_date <= {{ as_of() }}
),

settings as (
    select
        'settings' as definition,
        '{{ tojson(settings, sort_keys=true) | replace("'", "''") }}' as content
),

segment_rule_lines as (
    select
        'segment_rules' as definition,
        {{ as_line(rule_columns) }} as line
    from segment_rules
    where preset = '{{ var("segment_preset") }}'
),

lifecycle_lines as (
    select
        'lifecycle_stages' as definition,
        {{ as_line(['valid_from', 'stage', 'clock', 'from_day', 'to_day', 'after_gap_days']) }} as line
    from lifecycle_stages
),

fixed_cut_lines as (
    select
        'fixed_score_cuts' as definition,
        {{ as_line(['valid_from', 'metric', 'cut', 'value']) }} as line
    from fixed_score_cuts
),

merge_lines as (
    select
        'customer_merges' as definition,
        {{ as_line(['customer_id', 'merged_into', 'merge_date']) }} as line
    from customer_merges
),

lines as (
    select * from segment_rule_lines
    union all
    select * from lifecycle_lines
    union all
    select * from fixed_cut_lines
    union all
    select * from merge_lines
),

joined as (
    select
        definition,
        {{ ordered_list('line') }} as content
    from lines
    group by definition
),

contents as (
    select * from settings
    union all
    select * from joined
),

final as (
    select
        definition,
        md5(content) as content_hash
    from contents
)

select * from final
