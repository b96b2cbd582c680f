{{ config(materialized='table') }}
{% set formats = (input_settings('suppressions') or {}).get('date_formats', []) %}
with suppressions as (
    select * from {{ ref('base_shop__suppressions') }}
),

cleaned as (
    select
        source_file,
        source_line,
        excluded_by,
        loader_problem,
        lower({{ clean_text('type') }}) as type,
        {{ person_key_value() }} as value,
        coalesce(nullif(lower({{ clean_text('purpose') }}), ''), 'all') as purpose,
        nullif({{ clean_text('reason') }}, '') as reason,
        added_at_day,
        nullif({{ clean_text('added_at_text') }}, '') as added_at_text
    from suppressions
),

parsed as (
    select
        *,
        {{ parse_local_time('added_at_text', formats) }} as added_at_local,
        {{ parse_instant('added_at_text') }} as added_at_instant
    from cleaned
),

dated as (
    select
        *,
        {{ day_of('added_at', 'suppressions') }} as readable_day
    from parsed
),

judged as (
    select
        *,
        coalesce(loader_problem, {{ person_key_problem() }}) as first_problem,
        {{ event_day_problem('readable_day', 'added_at') }} as day_problem
    from dated
),

-- Who may not be reached is not reached because of a date that cannot be read: it holds from the beginning.
timed as (
    select
        *,
        case when excluded_by is null and first_problem is null then value end as compared_value,
        case when day_problem is null then readable_day else {{ far_past() }} end as added_on
    from judged
),

ranked as (
    select
        *,
        row_number() over (
            partition by type, compared_value, purpose
            order by added_on, source_file nulls last, source_line nulls last
        ) as delivery
    from timed
),

finished as (
    select
        *,
        case
            when first_problem is not null then first_problem
            when compared_value is not null and delivery > 1 then 'EXACT_DUPLICATE|value'
        end as problem
    from ranked
),

final as (
    select
        source_file,
        source_line,
        type as kind,
        value,
        purpose,
        reason,
        added_on,
        case
            when excluded_by is not null then 'excluded'
            when problem is null then 'accepted'
            when problem = 'EXACT_DUPLICATE|value' then 'duplicate'
            else 'rejected'
        end as outcome,
        problem,
        case when added_at_text is not null or added_at_day is not null then day_problem end as day_warning
    from finished
)

select * from final
