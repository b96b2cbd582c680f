{{ config(materialized='table') }}
{% set formats = (input_settings('erasures') or {}).get('date_formats', []) %}
with erasures as (
    select * from {{ ref('base_shop__erasures') }}
),

cleaned as (
    select
        source_file,
        source_line,
        excluded_by,
        loader_problem,
        lower({{ clean_text('type') }}) as type,
        {{ person_key_value() }} as value,
        requested_at_day,
        nullif({{ clean_text('requested_at_text') }}, '') as requested_at_text
    from erasures
),

parsed as (
    select
        *,
        {{ parse_local_time('requested_at_text', formats) }} as requested_at_local,
        {{ parse_instant('requested_at_text') }} as requested_at_instant
    from cleaned
),

dated as (
    select
        *,
        {{ day_of('requested_at', 'erasures') }} as readable_day
    from parsed
),

judged as (
    select
        *,
        coalesce(loader_problem, {{ person_key_problem() }}) as first_problem,
        {{ event_day_problem('readable_day', 'requested_at') }} as day_problem
    from dated
),

-- Who may not be reached is not reached because of a date that cannot be read: it holds from the beginning.
timed as (
    select
        *,
        case when excluded_by is null and first_problem is null then value end as compared_value,
        case when day_problem is null then readable_day else {{ far_past() }} end as requested_on
    from judged
),

ranked as (
    select
        *,
        row_number() over (
            partition by type, compared_value
            order by requested_on, source_file nulls last, source_line nulls last
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

-- Whom it names is not kept: the request is carried out where rows come in.
final as (
    select
        source_file,
        source_line,
        type as kind,
        requested_on,
        case
            when excluded_by is not null then 'excluded'
            when problem is null then 'accepted'
            when problem = 'EXACT_DUPLICATE|value' then 'duplicate'
            else 'rejected'
        end as outcome,
        problem,
        day_problem as day_warning
    from finished
)

select * from final
