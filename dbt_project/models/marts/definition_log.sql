with scorecard_cuts as (
    select * from {{ ref('int_scorecard_cuts') }}
),

periods as (
    select * from {{ ref('int_scorecards') }}
),

segment_rules as (
    select * from {{ ref('segment_rules') }}
    where preset = '{{ var("segment_preset") }}'
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

lines as (
    select
        'scorecard' as definition_type,
        scorecard_id as definition_id,
        {{ as_line(['metric', 'cut_number', 'exceeds_value', 'tie_break']) }} as line
    from scorecard_cuts
    union all
    select
        'segment_rules' as definition_type,
        preset || '@' || cast(valid_from as {{ dbt.type_string() }}) as definition_id,
        {{ as_line(['priority', 'segment', 'r_min', 'r_max', 'f_min', 'f_max', 'm_min', 'm_max']) }} as line
    from segment_rules
    union all
    select
        'lifecycle_stages' as definition_type,
        'lifecycle@' || cast(valid_from as {{ dbt.type_string() }}) as definition_id,
        {{ as_line(['stage', 'clock', 'from_day', 'to_day', 'after_gap_days']) }} as line
    from lifecycle_stages
),

content_hashes as (
    select
        definition_type,
        definition_id,
        md5({{ ordered_list('line') }}) as content_hash
    from lines
    group by definition_type, definition_id
),

first_uses as (
    select
        scorecard_id as definition_id,
        valid_from as first_used_on
    from periods
    union all
    select distinct
        preset || '@' || cast(valid_from as {{ dbt.type_string() }}) as definition_id,
        valid_from as first_used_on
    from segment_rules
    union all
    select distinct
        'lifecycle@' || cast(valid_from as {{ dbt.type_string() }}) as definition_id,
        valid_from as first_used_on
    from lifecycle_stages
),

final as (
    select
        content_hashes.definition_type,
        content_hashes.definition_id,
        content_hashes.content_hash,
        first_uses.first_used_on
    from content_hashes
    inner join first_uses on content_hashes.definition_id = first_uses.definition_id
)

select * from final
