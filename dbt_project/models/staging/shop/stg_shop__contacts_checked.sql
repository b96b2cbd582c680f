{{ config(materialized='table') }}
{% set formats = (input_settings('contacts') or {}).get('date_formats', []) %}
with contacts as (
    select * from {{ ref('base_shop__contacts') }}
),

cleaned as (
    select
        source_file,
        source_line,
        excluded_by,
        loader_problem,
        {{ clean_id('customer_id') }} as customer_id,
        lower({{ clean_text('channel') }}) as channel,
        nullif({{ clean_id('campaign_id') }}, '') as campaign_id,
        contacted_at_utc,
        contacted_at_day,
        {{ clean_text('contacted_at_text') }} as contacted_at_text
    from contacts
),

parsed as (
    select
        *,
        {{ parse_local_time('contacted_at_text', formats) }} as contacted_at_local,
        {{ parse_instant('contacted_at_text') }} as contacted_at_instant
    from cleaned
),

dated as (
    select
        *,
        {{ utc_of('contacted_at', 'contacts') }} as contacted_at,
        {{ day_of('contacted_at', 'contacts') }} as contact_date
    from parsed
),

judged as (
    select
        *,
        case
            when loader_problem is not null then loader_problem
            when {{ is_unclean_id('customer_id') }}
                then {{ id_problem('customer_id', 'NULL_CUSTOMER') }}
            when {{ is_unclean_id('channel') }} then {{ id_problem('channel', 'NULL_VALUE') }}
        end as id_problem,
        case
            when campaign_id is not null and {{ is_unclean_id('campaign_id') }}
                then {{ id_problem('campaign_id', 'NULL_CAMPAIGN') }}
        end as campaign_problem,
        {{ event_day_problem('contact_date', 'contacted_at') }} as day_problem
    from dated
),

compared as (
    select
        *,
        coalesce(id_problem, campaign_problem, day_problem) as first_problem,
        case
            when excluded_by is null and coalesce(id_problem, campaign_problem, day_problem) is null
                then customer_id
        end as compared_id
    from judged
),

ranked as (
    select
        *,
        row_number() over (
            partition by compared_id, channel, campaign_id, contacted_at
            order by source_file nulls last, source_line nulls last
        ) as delivery
    from compared
),

finished as (
    select
        *,
        case
            when first_problem is not null then first_problem
            when compared_id is not null and delivery > 1 then 'EXACT_DUPLICATE|customer_id'
        end as problem
    from ranked
),

final as (
    select
        source_file,
        source_line,
        customer_id,
        channel,
        campaign_id,
        contact_date,
        case
            when excluded_by is not null then 'excluded'
            when problem is null then 'accepted'
            when problem = 'EXACT_DUPLICATE|customer_id' then 'duplicate'
            else 'rejected'
        end as outcome,
        problem
    from finished
)

select * from final
