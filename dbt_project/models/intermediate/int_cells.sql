with segment_rules as (
    select * from {{ ref('segment_rules') }}
    where preset = '{{ var("segment_preset") }}'
),

scores as (
    {% for number in range(1, 6) %}
    select {{ number }} as score
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

grid as (
    select
        recency.score as r_score,
        frequency.score as f_score,
        monetary.score as m_score
    from scores as recency
    cross join scores as frequency
    cross join scores as monetary
),

matches as (
    select
        segment_rules.valid_from as segment_rules_from,
        grid.r_score,
        grid.f_score,
        grid.m_score,
        segment_rules.segment,
        segment_rules.priority,
        row_number() over (
            partition by segment_rules.valid_from, grid.r_score, grid.f_score, grid.m_score
            order by segment_rules.priority
        ) as match_number
    from segment_rules
    inner join grid
        on
            grid.r_score between segment_rules.r_min and segment_rules.r_max
            and grid.f_score between segment_rules.f_min and segment_rules.f_max
            and grid.m_score between segment_rules.m_min and segment_rules.m_max
),

segment_codes as (
    select
        segment,
        cast(row_number() over (order by segment) as smallint) as segment_code
    from segment_rules
    group by segment
),

final as (
    select
        matches.segment_rules_from,
        matches.r_score,
        matches.f_score,
        matches.m_score,
        matches.segment,
        segment_codes.segment_code,
        matches.priority
    from matches
    inner join segment_codes on matches.segment = segment_codes.segment
    where matches.match_number = 1
)

select * from final
