{% set metrics = {'recency': 'integer', 'frequency': 'integer', 'monetary': 'decimal(18, 4)'} %}
with scorecards as (
    select * from {{ ref('int_scorecards') }}
),

scorecard_cuts as (
    select * from {{ ref('int_scorecard_cuts') }}
),

rule_versions as (
    select * from {{ ref('int_rule_versions') }}
),

cuts_in_a_row as (
    select
        {% for metric, type in metrics.items() %}
        {% for number in range(1, 5) %}
        {% set is_cut = "metric = '" ~ metric ~ "' and cut_number = " ~ number %}
        max(case when {{ is_cut }} then cast(exceeds_value as {{ type }}) end) as {{ metric }}_cut_{{ number }},
        {% endfor %}
        {% endfor %}
        {% for number in range(1, 5) %}
        {% set is_cut = "metric = 'frequency' and cut_number = " ~ number %}
        max(case when {{ is_cut }} then tie_break end) as frequency_tie_{{ number }},
        {% endfor %}
        scorecard_id
    from scorecard_cuts
    group by scorecard_id
),

final as (
    select
        greatest(scorecards.valid_from, rule_versions.valid_from) as valid_from,
        least(scorecards.valid_to, rule_versions.valid_to) as valid_to,
        scorecards.calibrated_on,
        rule_versions.ruleset_id,
        rule_versions.segment_rules_from,
        rule_versions.lifecycle_from,
        cuts_in_a_row.*
    from scorecards
    inner join rule_versions
        on
            scorecards.valid_from < rule_versions.valid_to
            and rule_versions.valid_from < scorecards.valid_to
    inner join cuts_in_a_row on scorecards.scorecard_id = cuts_in_a_row.scorecard_id
)

select * from final
