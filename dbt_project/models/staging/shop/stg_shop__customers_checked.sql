{{ config(materialized='table') }}
{% set formats = (input_settings('customers') or {}).get('date_formats', []) %}
{% set consents = ['consent_email', 'consent_sms', 'consent_ads'] %}
{% set texts = ['email', 'phone', 'country', 'region', 'first_name', 'last_name', 'gender'] %}
{% set compared = texts + ['birth_date', 'created_on'] + consents %}
{% set source_names = {'created_on': 'created_at'} %}
{% set columns = ['customer_id'] + compared + ['updated_at'] %}
with customers as (
    select * from {{ ref('base_shop__customers') }}
),

cleaned as (
    select
        source_file,
        source_line,
        excluded_by,
        loader_problem,
        {{ clean_id('customer_id') }} as customer_id,
        {% for column in texts if column != 'country' %}
        nullif({{ clean_text(column) }}, '') as {{ column }},
        {% endfor %}
        nullif(upper({{ clean_text('country') }}), '') as country_text,
        {% for column in consents %}
        nullif(lower({{ clean_text(column) }}), '') as {{ column }}_text,
        {% endfor %}
        birth_date_day,
        nullif({{ clean_text('birth_date_text') }}, '') as birth_date_text,
        created_at_day,
        nullif({{ clean_text('created_at_text') }}, '') as created_at_text,
        updated_at_utc,
        nullif({{ clean_text('updated_at_text') }}, '') as updated_at_text
    from customers
),

parsed as (
    select
        *,
        {% for column in consents %}
        {{ parse_boolean(column ~ '_text') }} as {{ column }},
        {% endfor %}
        {% for column in ['birth_date', 'created_at', 'updated_at'] %}
        {{ parse_local_time(column ~ '_text', formats) }} as {{ column }}_local,
        {{ parse_instant(column ~ '_text') }} as {{ column }}_instant,
        {% endfor %}
        case when {{ matches('country_text', '^[A-Z]{2}$') }} then country_text end as country
    from cleaned
),

dated as (
    select
        *,
        -- Nobody is born in a time zone: the day stays as it is written.
        coalesce(birth_date_day, cast(birth_date_local as date), cast(birth_date_instant as date)) as birth_day,
        {{ day_of('created_at', 'customers') }} as created_on,
        {{ utc_of('updated_at', 'customers') }} as updated_at
    from parsed
),

judged as (
    select
        *,
        case when birth_day >= {{ far_past() }} and birth_day <= {{ newest_day() }} then birth_day end as birth_date,
        case
            when loader_problem is not null then loader_problem
            when {{ is_unclean_id('customer_id') }}
                then {{ id_problem('customer_id', 'NULL_CUSTOMER') }}
        end as id_problem,
        case
            {% for column in consents %}
            when {{ column }} is null and {{ column }}_text is not null then 'BAD_BOOLEAN|{{ column }}'
            {% endfor %}
            when created_on is null and created_at_text is not null then {{ time_problem('created_at') }}
            when updated_at is null and updated_at_text is not null then {{ time_problem('updated_at') }}
        end as value_problem
    from dated
),

compared as (
    select
        *,
        coalesce(id_problem, value_problem) as first_problem,
        case
            when excluded_by is null and coalesce(id_problem, value_problem) is null
                then customer_id
        end as compared_id
    from judged
),

ids_repeated as (
    select
        compared_id,
        max(updated_at) as newest_update
    from compared
    where compared_id is not null
    group by compared_id
    having count(*) > 1
),

rows_repeated as (
    select
        compared.*,
        coalesce(compared.updated_at = ids_repeated.newest_update, ids_repeated.newest_update is null) as is_newest
    from compared
    inner join ids_repeated
        on compared.compared_id = ids_repeated.compared_id
),

ids_compared as (
    select
        compared_id,
        case
            {% for column in compared %}
            when count({{ column }}) not in (0, count(*)) or count(distinct {{ column }}) > 1
                then 'CONFLICTING_DUPLICATE|{{ source_names.get(column, column) }}'
            {% endfor %}
        end as conflict
    from rows_repeated
    where is_newest
    group by compared_id
),

repeated_ranked as (
    select
        rows_repeated.*,
        ids_compared.conflict,
        row_number() over (
            partition by rows_repeated.compared_id, rows_repeated.is_newest
            order by rows_repeated.source_file nulls last, rows_repeated.source_line nulls last
        ) as delivery
    from rows_repeated
    inner join ids_compared
        on rows_repeated.compared_id = ids_compared.compared_id
),

{% set kept = [
    'source_file', 'source_line', 'excluded_by', 'country_text', 'birth_date_text', 'birth_date_day',
] + columns %}
rows_resolved as (
    select
        compared.{{ kept | join(', compared.') }},
        compared.first_problem as problem
    from compared
    left join ids_repeated
        on compared.compared_id = ids_repeated.compared_id
    where ids_repeated.compared_id is null
    union all
    select
        {{ kept | join(', ') }},
        case
            when not is_newest then 'LATEST_WINS|updated_at'
            when conflict is not null then conflict
            when delivery > 1 then 'EXACT_DUPLICATE|customer_id'
        end as problem
    from repeated_ranked
),

-- What a row that cannot be read says of consent is not known: no older row may speak for it.
ids_in_doubt as (
    select
        customer_id,
        max(coalesce(updated_at, cast({{ far_future() }} as timestamp))) as in_doubt_since
    from compared
    where excluded_by is null and id_problem is null and value_problem is not null
    group by customer_id
),

final as (
    select
        rows_resolved.source_file,
        rows_resolved.source_line,
        {% for column in columns if column not in consents %}
        rows_resolved.{{ column }},
        {% endfor %}
        {% for column in consents %}
        rows_resolved.{{ column }}
        and not coalesce(
            ids_in_doubt.in_doubt_since >= coalesce(rows_resolved.updated_at, ids_in_doubt.in_doubt_since), false
        ) as {{ column }},
        {% endfor %}
        case
            when rows_resolved.excluded_by is not null then 'excluded'
            when rows_resolved.problem is null then 'accepted'
            when
                rows_resolved.problem like 'EXACT_DUPLICATE%'
                or rows_resolved.problem like 'LATEST_WINS%'
                then 'duplicate'
            else 'rejected'
        end as outcome,
        rows_resolved.problem,
        case
            when
                rows_resolved.birth_date is null
                and (rows_resolved.birth_date_text is not null or rows_resolved.birth_date_day is not null)
                then 'BAD_BIRTH_DATE|birth_date'
        end as birth_date_warning,
        case
            when rows_resolved.country is null and rows_resolved.country_text is not null
                then 'BAD_COUNTRY|country'
        end as country_warning,
        case
            when rows_resolved.country is null and rows_resolved.phone not like '+%'
                then 'PHONE_NO_COUNTRY|phone'
        end as phone_warning
    from rows_resolved
    left join ids_in_doubt
        on rows_resolved.customer_id = ids_in_doubt.customer_id
)

select * from final
