{% set order_source = 'order_lines' if input_settings('order_lines') is not none else 'orders' %}
{% set sources = [order_source] %}
{% set optional = [
    'refunds', 'customers', 'customer_merges', 'consents', 'suppressions', 'erasures', 'contacts',
    'responses', 'campaigns',
] %}
{% for input in optional if input_settings(input) is not none %}{% do sources.append(input) %}{% endfor %}
{% set most_files = 1000 %}
{% set outcomes = [
    'duplicate', 'superseded', 'excluded', 'rejected', 'held', 'conflicting', 'null_key',
] %}
with rows_set_apart as (
    select * from {{ ref('stg_shop__rows_set_apart') }}
),

order_intake as (
    select * from {{ ref('order_intake') }}
),

{% for source in sources if source != order_source %}
{{ source }} as (
    select source_file from {{ ref('base_shop__' ~ source) }}
),

{% endfor %}
received as (
    select
        source,
        file,
        received_rows
    from order_intake
    {% for source in sources if source != order_source %}
    union all
    select
        '{{ source }}' as source,
        source_file as file,
        count(*) as received_rows
    from {{ source }}
    group by source_file
    {% endfor %}
),

apart as (
    select
        source,
        source_file as file,
        count(*) filter (where outcome = 'duplicate' and problem like 'EXACT_DUPLICATE%') as duplicate_rows,
        count(*) filter (where outcome = 'duplicate' and problem not like 'EXACT_DUPLICATE%') as superseded_rows,
        count(*) filter (where outcome = 'excluded') as excluded_rows,
        count(*) filter (where outcome = 'rejected') as rejected_rows,
        count(*) filter (where outcome = 'held') as held_rows,
        count(*) filter (where outcome = 'rejected' and problem like 'CONFLICTING%') as conflicting_rows,
        count(*) filter (
            where outcome = 'rejected' and {{ dbt.split_part('problem', "'|'", 1) }}
            in ('NULL_CUSTOMER', 'NULL_ORDER_ID', 'NULL_REFUND_ID', 'NULL_CAMPAIGN')
        ) as null_key_rows
    from rows_set_apart
    group by source, source_file
),

joined as (
    select
        {% for outcome in outcomes %}
        coalesce(apart.{{ outcome }}_rows, 0) as {{ outcome }}_rows,
        {% endfor %}
        received.source,
        received.file,
        received.received_rows
    from received
    left join apart
        on
            received.source = apart.source
            and coalesce(received.file, '') = coalesce(apart.file, '')
),

-- A shop may deliver a file every hour, for years: the files with the most trouble keep their row.
files_ranked as (
    select
        *,
        row_number() over (
            partition by source
            order by rejected_rows + duplicate_rows desc, received_rows desc, file asc nulls first
        ) as place
    from joined
),

files_pooled as (
    select
        {% for outcome in outcomes %}
        sum({{ outcome }}_rows) as {{ outcome }}_rows,
        {% endfor %}
        source,
        case when place <= {{ most_files }} then file else '(others)' end as file,
        sum(received_rows) as received_rows
    from files_ranked
    group by
        source,
        case when place <= {{ most_files }} then file else '(others)' end
),

final as (
    select
        source,
        file,
        cast(received_rows as bigint) as received_rows,
        cast(
            received_rows - duplicate_rows - superseded_rows - excluded_rows - rejected_rows as bigint
        ) as accepted_rows,
        cast(duplicate_rows as bigint) as duplicate_rows,
        cast(conflicting_rows as bigint) as conflicting_rows,
        cast(null_key_rows as bigint) as null_key_rows,
        cast(excluded_rows as bigint) as excluded_rows,
        cast(rejected_rows as bigint) as rejected_rows,
        cast(held_rows as bigint) as held_rows,
        cast(superseded_rows as bigint) as superseded_rows
    from files_pooled
)

select * from final
