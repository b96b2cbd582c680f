{% set warnings = [
    ('customers', 'birth_date_warning'),
    ('customers', 'country_warning'),
    ('customers', 'phone_warning'),
    ('suppressions', 'day_warning'),
    ('erasures', 'day_warning'),
] %}
with consents_checked as (
    select * from {{ ref('stg_shop__consents_checked') }}
),

requirements as (
    select * from {{ ref('consent_requirements') }}
),

customers_checked as (
    select * from {{ ref('stg_shop__customers_checked') }}
),

suppressions_checked as (
    select * from {{ ref('stg_shop__suppressions_checked') }}
),

erasures_checked as (
    select * from {{ ref('stg_shop__erasures_checked') }}
),

scopes as (
    select distinct
        purpose,
        channel
    from requirements
),

purposes as (
    select distinct purpose from requirements
),

rows_warned as (
    {% for source, warning in warnings %}
    select
        '{{ source }}' as source,
        source_file,
        source_line,
        {{ warning }} as warning
    from {{ source }}_checked
    where outcome = 'accepted' and {{ warning }} is not null
    union all
    {% endfor %}
    select
        'consents' as source,
        consents_checked.source_file,
        consents_checked.source_line,
        'UNKNOWN_SCOPE|purpose' as warning
    from consents_checked
    left join scopes
        on
            consents_checked.purpose = scopes.purpose
            and consents_checked.channel = scopes.channel
    where consents_checked.outcome = 'accepted' and scopes.purpose is null
    union all
    select
        'suppressions' as source,
        suppressions_checked.source_file,
        suppressions_checked.source_line,
        'UNKNOWN_SCOPE|purpose' as warning
    from suppressions_checked
    left join purposes on suppressions_checked.purpose = purposes.purpose
    where
        suppressions_checked.outcome = 'accepted'
        and suppressions_checked.purpose <> 'all'
        and purposes.purpose is null
),

final as (
    select
        source,
        source_file as file,
        source_line as line,
        cast(null as {{ dbt.type_string() }}) as row_key,
        {{ dbt.split_part('warning', "'|'", 2) }} as column_name,
        {{ dbt.split_part('warning', "'|'", 1) }} as reason_code
    from rows_warned
)

select * from final
