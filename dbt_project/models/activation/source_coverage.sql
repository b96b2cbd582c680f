{% set naming = ['orders', 'customers', 'customer_merges', 'consents', 'contacts', 'responses'] %}
{% set silent = ['refunds', 'campaigns'] %}
{% set sources = naming + ['suppressions'] + silent %}
with customers as (
    select * from {{ ref('customers') }}
),

holders as (
    select * from {{ ref('int_account_holders') }}
    where held_to = {{ far_future() }}
),

people as (
    select * from {{ ref('people') }}
),

{% for source in sources %}
{{ source }}_given as (
    select * from {{ ref('stg_shop__' ~ source) }}
),

{% endfor %}
sources as (
    {% for source in sources %}
    {% set is_delivered = source in var('inputs') or (source == 'orders' and 'order_lines' in var('inputs')) %}
    select
        '{{ source }}' as source,
        {{ is_delivered | lower }} as is_delivered
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

ids_given as (
    {% for source in naming %}
    select
        '{{ source }}' as source,
        customer_id as given_id,
        count(*) as row_count
    from {{ source }}_given
    group by customer_id
    union all
    {% endfor %}
    select
        'suppressions' as source,
        value as given_id,
        count(*) as row_count
    from suppressions_given
    where kind = 'customer_id'
    group by value
),

ids_held as (
    select
        ids_given.source,
        ids_given.given_id,
        ids_given.row_count,
        customers.customer_id
    from ids_given
    left join holders on ids_given.given_id = holders.customer_id
    left join customers on coalesce(holders.holder_id, ids_given.given_id) = customers.customer_id
),

hashes_given as (
    select
        value as given_id,
        count(*) as row_count
    from suppressions_given
    where kind <> 'customer_id'
    group by value
),

hashes_of_people as (
    select
        email_sha256 as given_id,
        customer_id
    from people
    union
    select
        phone_sha256 as given_id,
        customer_id
    from people
),

-- Several people may have the address of one row.
hashes_held as (
    select
        'suppressions' as source,
        hashes_given.given_id,
        hashes_given.row_count,
        hashes_of_people.customer_id,
        row_number() over (
            partition by hashes_given.given_id order by hashes_of_people.customer_id
        ) as place
    from hashes_given
    left join hashes_of_people on hashes_given.given_id = hashes_of_people.given_id
),

named as (
    select
        source,
        given_id,
        row_count,
        customer_id
    from ids_held
    union all
    select
        source,
        given_id,
        case when place = 1 then row_count else 0 end as row_count,
        customer_id
    from hashes_held
),

counted as (
    select
        source,
        sum(row_count) as row_count,
        count(distinct customer_id) as customers_named,
        count(distinct given_id) as ids_given,
        count(distinct case when customer_id is null then given_id end) as ids_unknown
    from named
    group by source
    {% for source in silent %}
    union all
    select
        '{{ source }}' as source,
        count(*) as row_count,
        cast(null as bigint) as customers_named,
        cast(null as bigint) as ids_given,
        cast(null as bigint) as ids_unknown
    from {{ source }}_given
    {% endfor %}
),

shop as (
    select
        as_of_date,
        count(*) as customers
    from customers
    group by as_of_date
),

final as (
    select
        sources.source,
        shop.as_of_date,
        sources.is_delivered,
        cast(coalesce(counted.row_count, 0) as bigint) as row_count,
        cast(counted.customers_named as bigint) as customers_named,
        {{ exact_share('counted.customers_named', 'shop.customers') }} as customer_share,
        cast(counted.ids_unknown as bigint) as ids_unknown,
        {{ exact_share('counted.ids_unknown', 'counted.ids_given') }} as unknown_share
    from sources
    cross join shop
    left join counted on sources.source = counted.source
)

select * from final
