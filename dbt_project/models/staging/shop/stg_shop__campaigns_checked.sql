{{ config(materialized='table') }}
{% set formats = (input_settings('campaigns') or {}).get('date_formats', []) %}
{% set source_names = {'start_date': 'started_on', 'end_date': 'ended_on'} %}
with campaigns as (
    select * from {{ ref('base_shop__campaigns') }}
),

cleaned as (
    select
        source_file,
        source_line,
        excluded_by,
        loader_problem,
        {{ clean_id('campaign_id') }} as campaign_id,
        nullif({{ clean_text('audience') }}, '') as audience,
        nullif({{ clean_text('name') }}, '') as name,
        cost_native,
        nullif({{ clean_text('cost_text') }}, '') as cost_text,
        started_on_day,
        {{ clean_text('started_on_text') }} as started_on_text,
        ended_on_day,
        {{ clean_text('ended_on_text') }} as ended_on_text
    from campaigns
),

parsed as (
    select
        *,
        {{ number_of('cost') }} as cost,
        {{ parse_local_time('started_on_text', formats) }} as started_on_local,
        {{ parse_instant('started_on_text') }} as started_on_instant,
        {{ parse_local_time('ended_on_text', formats) }} as ended_on_local,
        {{ parse_instant('ended_on_text') }} as ended_on_instant
    from cleaned
),

dated as (
    select
        *,
        {{ day_of('started_on', 'campaigns') }} as started_on,
        {{ day_of('ended_on', 'campaigns') }} as ended_on
    from parsed
),

judged as (
    select
        *,
        case
            when loader_problem is not null then loader_problem
            when {{ is_unclean_id('campaign_id') }}
                then {{ id_problem('campaign_id', 'NULL_CAMPAIGN') }}
        end as id_problem,
        case
            when started_on is null then {{ time_problem('started_on') }}
            when started_on < {{ far_past() }} then 'BAD_DATE|started_on'
            when ended_on is null then {{ time_problem('ended_on') }}
            when ended_on < started_on then 'BAD_PERIOD|ended_on'
            when cost is null and cost_text is not null then {{ decimal_problem('cost_text', 'cost') }}
            when cost < 0 then 'NEGATIVE_AMOUNT|cost'
        end as value_problem
    from dated
),

compared as (
    select
        *,
        coalesce(id_problem, value_problem) as first_problem,
        case
            when excluded_by is null and coalesce(id_problem, value_problem) is null
                then campaign_id
        end as compared_id
    from judged
),

ids_repeated as (
    select
        compared_id,
        case
            {% for column in ['started_on', 'ended_on', 'audience', 'name', 'cost'] %}
            when count({{ column }}) not in (0, count(*)) or count(distinct {{ column }}) > 1
                then 'CONFLICTING_DUPLICATE|{{ column }}'
            {% endfor %}
        end as conflict
    from compared
    where compared_id is not null
    group by compared_id
    having count(*) > 1
),

ranked as (
    select
        compared.*,
        ids_repeated.conflict,
        row_number() over (
            partition by compared.compared_id
            order by compared.source_file nulls last, compared.source_line nulls last
        ) as delivery
    from compared
    left join ids_repeated
        on compared.compared_id = ids_repeated.compared_id
),

finished as (
    select
        *,
        case
            when first_problem is not null then first_problem
            when conflict is not null then conflict
            when compared_id is not null and delivery > 1 then 'EXACT_DUPLICATE|campaign_id'
        end as problem
    from ranked
),

final as (
    select
        source_file,
        source_line,
        campaign_id,
        audience,
        name,
        started_on,
        ended_on,
        cost,
        case
            when excluded_by is not null then 'excluded'
            when problem is null then 'accepted'
            when problem = 'EXACT_DUPLICATE|campaign_id' then 'duplicate'
            else 'rejected'
        end as outcome,
        problem
    from finished
)

select * from final
