{{ config(materialized='table') }}
{% set formats = (input_settings('responses') or {}).get('date_formats', []) %}
{% set kinds = ['open', 'click', 'conversion', 'unsubscribe', 'complaint', 'bounce'] %}
with responses as (
    select * from {{ ref('base_shop__responses') }}
),

cleaned as (
    select
        source_file,
        source_line,
        excluded_by,
        loader_problem,
        {{ clean_id('customer_id') }} as customer_id,
        lower({{ clean_text('kind') }}) as kind,
        nullif({{ clean_id('campaign_id') }}, '') as campaign_id,
        nullif(lower({{ clean_text('channel') }}), '') as channel,
        revenue_native,
        nullif({{ clean_text('revenue_text') }}, '') as revenue_text,
        responded_at_utc,
        responded_at_day,
        {{ clean_text('responded_at_text') }} as responded_at_text
    from responses
),

parsed as (
    select
        *,
        {{ number_of('revenue') }} as revenue,
        {{ parse_local_time('responded_at_text', formats) }} as responded_at_local,
        {{ parse_instant('responded_at_text') }} as responded_at_instant
    from cleaned
),

dated as (
    select
        *,
        {{ utc_of('responded_at', 'responses') }} as responded_at,
        {{ day_of('responded_at', 'responses') }} as response_date
    from parsed
),

judged as (
    select
        *,
        case
            when loader_problem is not null then loader_problem
            when {{ is_unclean_id('customer_id') }}
                then {{ id_problem('customer_id', 'NULL_CUSTOMER') }}
        end as id_problem,
        case
            when campaign_id is not null and {{ is_unclean_id('campaign_id') }}
                then {{ id_problem('campaign_id', 'NULL_CAMPAIGN') }}
        end as campaign_problem,
        {{ event_day_problem('response_date', 'responded_at') }} as day_problem,
        case
            when kind in ('{{ kinds | join("', '") }}') then null
            else 'UNKNOWN_KIND|kind'
        end as kind_problem,
        case
            when revenue is null and revenue_text is not null
                then {{ decimal_problem('revenue_text', 'revenue') }}
            when revenue < 0 then 'NEGATIVE_AMOUNT|revenue'
        end as revenue_problem
    from dated
),

compared as (
    select
        *,
        coalesce(id_problem, kind_problem, campaign_problem, day_problem, revenue_problem) as first_problem,
        case
            when
                excluded_by is null
                and coalesce(id_problem, kind_problem, campaign_problem, day_problem, revenue_problem) is null
                then customer_id
        end as compared_id
    from judged
),

ranked as (
    select
        *,
        row_number() over (
            partition by compared_id, kind, campaign_id, channel, responded_at, revenue
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
        campaign_id,
        channel,
        kind,
        response_date,
        revenue,
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
