{% if 'customer_merges' in var('inputs') %}
with recursive customer_merges as (
    select
        customer_id,
        merged_into,
        coalesce(merge_date, {{ far_past() }}) as merge_date
    from {{ ref('stg_shop__customer_merges') }}
    where merge_date is null or merge_date <= {{ as_of() }}
),

-- Each step follows an account to the one that took it over, on the day it did. Staging has
-- refused cycles, so every walk ends.
holders as (
    select
        customer_merges.customer_id,
        customer_merges.merged_into as holder_id,
        customer_merges.merge_date as held_from,
        1 as depth
    from customer_merges
    union all
    select
        holders.customer_id,
        customer_merges.merged_into as holder_id,
        greatest(holders.held_from, customer_merges.merge_date) as held_from,
        holders.depth + 1 as depth
    from holders
    inner join customer_merges on holders.holder_id = customer_merges.customer_id
),

own as (
    select
        customer_merges.customer_id,
        customer_merges.customer_id as holder_id,
        {{ far_past() }} as held_from,
        0 as depth
    from customer_merges
),

links as (
    select * from own
    union all
    select * from holders
),

final as (
    select
        customer_id,
        holder_id,
        held_from,
        lead(held_from, 1, {{ far_future() }}) over (partition by customer_id order by depth) as held_to
    from links
)
{% else %}
with final as (
    select
        cast(null as {{ dbt.type_string() }}) as customer_id,
        cast(null as {{ dbt.type_string() }}) as holder_id,
        {{ far_past() }} as held_from,
        {{ far_future() }} as held_to
    where false
)
{% endif %}

select * from final
