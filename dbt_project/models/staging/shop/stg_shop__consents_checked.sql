{{ config(materialized='table') }}
{% set formats = (input_settings('consents') or {}).get('date_formats', []) %}
with consents as (
    select * from {{ ref('base_shop__consents') }}
),

cleaned as (
    select
        source_file,
        source_line,
        excluded_by,
        loader_problem,
        {{ clean_id('customer_id') }} as customer_id,
        lower({{ clean_text('purpose') }}) as purpose,
        lower({{ clean_text('channel') }}) as channel,
        upper({{ clean_text('status') }}) as status_text,
        given_at_utc,
        given_at_day,
        {{ clean_text('given_at_text') }} as given_at_text,
        expires_at_day,
        nullif({{ clean_text('expires_at_text') }}, '') as expires_at_text
    from consents
),

parsed as (
    select
        *,
        {{ parse_local_time('given_at_text', formats) }} as given_at_local,
        {{ parse_instant('given_at_text') }} as given_at_instant,
        {{ parse_local_time('expires_at_text', formats) }} as expires_at_local,
        {{ parse_instant('expires_at_text') }} as expires_at_instant
    from cleaned
),

dated as (
    select
        *,
        {{ utc_of('given_at', 'consents') }} as given_time,
        {{ day_of('given_at', 'consents') }} as given_day,
        {{ day_of('expires_at', 'consents') }} as expires_on
    from parsed
),

judged as (
    select
        *,
        {{ event_day_problem('given_day', 'given_at') }} as day_problem,
        case
            when loader_problem is not null then loader_problem
            when {{ is_unclean_id('customer_id') }}
                then {{ id_problem('customer_id', 'NULL_CUSTOMER') }}
            when {{ is_unclean_id('purpose') }} then {{ id_problem('purpose', 'NULL_VALUE') }}
            when {{ is_unclean_id('channel') }} then {{ id_problem('channel', 'NULL_VALUE') }}
        end as id_problem,
        case
            when status_text in ('GRANT', 'DENY', 'REVOKED') then null
            else 'BAD_STATUS|status'
        end as status_problem,
        case
            when expires_on is null and expires_at_text is not null then {{ time_problem('expires_at') }}
        end as expiry_problem
    from dated
),

-- A row that cannot be read is rejected, and still counts as an objection unless it says GRANT.
decided as (
    select
        *,
        coalesce(id_problem, status_problem, day_problem, expiry_problem) as first_problem,
        case when status_problem is null then status_text else 'DENY' end as status,
        case when day_problem is null then given_time else cast({{ far_past() }} as timestamp) end as given_at,
        case when day_problem is null then given_day else {{ far_past() }} end as given_on,
        case
            when excluded_by is not null or id_problem is not null then null
            when status_text != 'GRANT' or coalesce(day_problem, expiry_problem) is null then customer_id
        end as compared_id
    from judged
),

-- Of several answers at one time the strictest holds, and one without a time against all others.
ranked as (
    select
        *,
        sum(case when day_problem is null then 0 else 1 end) over (
            partition by compared_id, purpose, channel
        ) as undated_objections,
        row_number() over (
            partition by compared_id, purpose, channel, given_at
            order by
                case status when 'REVOKED' then 1 when 'DENY' then 2 else 3 end,
                expires_on nulls last,
                first_problem nulls first,
                source_file nulls last,
                source_line nulls last
        ) as place,
        row_number() over (
            partition by compared_id, purpose, channel, given_at, status, expires_on
            order by first_problem nulls first, source_file nulls last, source_line nulls last
        ) as delivery
    from decided
),

held_against as (
    select
        *,
        compared_id is not null
        and place = 1
        and (undated_objections = 0 or status != 'GRANT') as is_in_force
    from ranked
),

finished as (
    select
        *,
        case
            when first_problem is not null then first_problem
            when compared_id is null or is_in_force then null
            when delivery > 1 then 'EXACT_DUPLICATE|customer_id'
            else 'STRICTEST_WINS|status'
        end as problem
    from held_against
),

final as (
    select
        source_file,
        source_line,
        customer_id,
        purpose,
        channel,
        status,
        given_at,
        given_on,
        case when status = 'GRANT' then expires_on end as expires_on,
        case
            when excluded_by is not null then 'excluded'
            when problem is null then 'accepted'
            when problem like 'EXACT_DUPLICATE%' or problem like 'STRICTEST_WINS%' then 'duplicate'
            else 'rejected'
        end as outcome,
        problem,
        is_in_force
    from finished
)

select * from final
