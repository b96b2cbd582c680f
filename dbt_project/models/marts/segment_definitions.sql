with segment_rules as (
    select * from {{ ref('segment_rules') }}
    where preset = '{{ var("segment_preset") }}'
),

segments as (
    select * from {{ ref('segments') }}
    where preset = '{{ var("segment_preset") }}'
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

rule_versions as (
    select * from {{ ref('int_rule_versions') }}
    where
        valid_from <= {{ as_of() }}
        and valid_to > {{ as_of() }}
),

rules_in_force as (
    select
        segment_rules.segment,
        segment_rules.priority,
        'rule ' || cast(segment_rules.priority as {{ dbt.type_string() }}) || ': '
        {% for name, axis in {'recency': 'r', 'frequency': 'f', 'money': 'm'}.items() %}
        || '{{ ", " if not loop.first }}{{ name }} '
        || case
            when segment_rules.{{ axis }}_min = 1 and segment_rules.{{ axis }}_max = 5 then 'any'
            when segment_rules.{{ axis }}_min = segment_rules.{{ axis }}_max
                then cast(segment_rules.{{ axis }}_min as {{ dbt.type_string() }})
            else
                cast(segment_rules.{{ axis }}_min as {{ dbt.type_string() }})
                || ' to ' || cast(segment_rules.{{ axis }}_max as {{ dbt.type_string() }})
        end
        {% endfor %} as ranges
    from segment_rules
    inner join rule_versions on segment_rules.valid_from = rule_versions.segment_rules_from
),

segment_ranges as (
    select
        segment,
        {{ texts_in_order('ranges', 'priority') }} as definition
    from rules_in_force
    group by segment
),

stages_in_force as (
    select
        lifecycle_stages.*,
        case
            when lifecycle_stages.to_day is null
                then 'day ' || cast(lifecycle_stages.from_day as {{ dbt.type_string() }}) || ' on'
            else
                'days ' || cast(lifecycle_stages.from_day as {{ dbt.type_string() }})
                || ' to ' || cast(lifecycle_stages.to_day as {{ dbt.type_string() }})
        end as days
    from lifecycle_stages
    inner join rule_versions on lifecycle_stages.valid_from = rule_versions.lifecycle_from
),

final as (
    select
        'segment' as kind,
        segments.segment as name,
        segments.rank,
        segments.label,
        segments.description,
        coalesce(segment_ranges.definition, 'no rule in force') as definition,
        segments.purpose,
        segments.action,
        segments.channel,
        segments.objective,
        segments.objective_metric,
        segments.objective_target,
        segments.reviewed_on
    from segments
    left join segment_ranges on segments.segment = segment_ranges.segment
    union all
    select
        'stage' as kind,
        stage as name,
        rank,
        label,
        description,
        case clock
            when 'no_order' then 'no order yet'
            when 'since_first_order' then days || ' after the first order'
            when 'silence' then days || ' without an order'
            when 'since_return'
                then
                    days || ' after an order that ended a silence of '
                    || cast(after_gap_days as {{ dbt.type_string() }}) || ' days or more'
            else 'everybody whom no other stage holds'
        end as definition,
        purpose,
        action,
        channel,
        objective,
        objective_metric,
        objective_target,
        reviewed_on
    from stages_in_force
)

select * from final
