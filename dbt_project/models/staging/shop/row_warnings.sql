{% set warnings = [
    ('customers', 'birth_date_warning'),
    ('customers', 'country_warning'),
    ('customers', 'phone_warning'),
    ('suppressions', 'day_warning'),
    ('erasures', 'day_warning'),
] %}
with customers_checked as (
    select * from {{ ref('stg_shop__customers_checked') }}
),

suppressions_checked as (
    select * from {{ ref('stg_shop__suppressions_checked') }}
),

erasures_checked as (
    select * from {{ ref('stg_shop__erasures_checked') }}
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
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
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
