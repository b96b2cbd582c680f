{{ config(materialized='table') }}
{% set formats = (input_settings('customer_merges') or {}).get('date_formats', []) %}
with recursive customer_merges as (
    select * from {{ ref('base_shop__customer_merges') }}
),

cleaned as (
    select
        source_file,
        source_line,
        excluded_by,
        loader_problem,
        {{ clean_id('customer_id') }} as customer_id,
        {{ clean_id('merged_into') }} as merged_into,
        merged_at_utc,
        merged_at_day,
        nullif({{ clean_text('merged_at_text') }}, '') as merged_at_text
    from customer_merges
),

parsed as (
    select
        *,
        {{ parse_local_time('merged_at_text', formats) }} as merged_at_local,
        {{ parse_instant('merged_at_text') }} as merged_at_instant
    from cleaned
),

dated as (
    select
        *,
        {{ day_of('merged_at', 'customer_merges') }} as merge_date
    from parsed
),

judged as (
    select
        *,
        case
            when loader_problem is not null then loader_problem
            when {{ is_unclean_id('customer_id') }}
                then {{ id_problem('customer_id', 'NULL_CUSTOMER') }}
            when {{ is_unclean_id('merged_into') }}
                then {{ id_problem('merged_into', 'NULL_CUSTOMER') }}
        end as id_problem,
        case
            when merge_date is null and merged_at_text is not null
                then {{ time_problem('merged_at') }}
            when merge_date < cast('1900-01-01' as date) then 'BAD_DATE|merged_at'
            when customer_id = merged_into then 'SELF_MERGE|merged_into'
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

ids_compared as (
    select
        compared_id,
        case
            when min(merged_into) != max(merged_into) then 'CONFLICTING_MERGE|merged_into'
            when count(merge_date) not in (0, count(*)) or min(merge_date) != max(merge_date)
                then 'CONFLICTING_MERGE|merged_at'
        end as conflict,
        min(merged_into) as merged_into
    from compared
    where compared_id is not null
    group by compared_id
),

links as (
    select
        compared_id as customer_id,
        merged_into
    from ids_compared
    where conflict is null
),

-- Every account that a customer leads to. A walk ends where it began; one that gets into a cycle of
-- others meets its mark there, an account it has passed, which is set anew after 1, 2, 4, 8 ... steps.
walks as (
    select
        customer_id,
        merged_into,
        customer_id as mark,
        cast(1 as bigint) as steps,
        cast(1 as bigint) as next_mark
    from links
    union all
    select
        walks.customer_id,
        links.merged_into,
        case when walks.steps = walks.next_mark then walks.merged_into else walks.mark end as mark,
        walks.steps + 1 as steps,
        case when walks.steps = walks.next_mark then 2 * walks.next_mark else walks.next_mark end as next_mark
    from walks
    inner join links
        on walks.merged_into = links.customer_id
    where
        walks.merged_into != walks.customer_id
        and walks.merged_into != walks.mark
),

customers_in_cycle as (
    select customer_id
    from walks
    where customer_id = merged_into
),

ranked as (
    select
        compared.*,
        ids_compared.conflict,
        customers_in_cycle.customer_id is not null as is_in_cycle,
        row_number() over (
            partition by compared.compared_id
            order by compared.source_file nulls last, compared.source_line nulls last
        ) as delivery
    from compared
    left join ids_compared
        on compared.compared_id = ids_compared.compared_id
    left join customers_in_cycle
        on compared.compared_id = customers_in_cycle.customer_id
),

finished as (
    select
        *,
        case
            when first_problem is not null then first_problem
            when conflict is not null then conflict
            when is_in_cycle then 'MERGE_CYCLE|merged_into'
            when compared_id is not null and delivery > 1 then 'EXACT_DUPLICATE|customer_id'
        end as problem
    from ranked
),

final as (
    select
        source_file,
        source_line,
        customer_id,
        merged_into,
        merge_date,
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
