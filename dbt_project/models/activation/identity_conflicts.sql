with known_customers as (
    select * from {{ ref('stg_shop__customers') }}
),

holders as (
    select * from {{ ref('int_account_holders') }}
    where held_to = {{ far_future() }}
),

consents as (
    select * from {{ ref('activation_consents') }}
    where as_of_date = {{ as_of() }}
),

suppressed as (
    select * from {{ ref('activation_suppressed') }}
    where suppressed_from <= {{ as_of() }}
),

records as (
    select
        coalesce(holders.holder_id, known_customers.customer_id) as customer_id,
        lower(known_customers.email) as email,
        {{ international_phone('known_customers.phone') }} as phone,
        lower(known_customers.first_name) as first_name,
        lower(known_customers.last_name) as last_name,
        known_customers.birth_date,
        known_customers.country,
        known_customers.consent_email,
        known_customers.consent_sms,
        known_customers.consent_ads
    from known_customers
    left join holders on known_customers.customer_id = holders.customer_id
),

signs as (
    select distinct
        'email' as kind,
        email as sign,
        customer_id
    from records
    where email is not null
    union all
    select distinct
        'phone' as kind,
        phone as sign,
        customer_id
    from records
    where phone is not null
),

-- Named after the customers and not after what they share, whose plain hash would be a name for it.
signs_shared as (
    select
        kind,
        sign,
        {{ sha256_hex(ordered_list('customer_id')) }} as conflict_id,
        count(*) as customers
    from signs
    group by kind, sign
    having count(*) > 1
),

shared as (
    select distinct
        signs_shared.kind,
        signs_shared.conflict_id,
        signs_shared.customers,
        signs.customer_id
    from signs_shared
    inner join signs
        on
            signs_shared.kind = signs.kind
            and signs_shared.sign = signs.sign
),

records_compared as (
    select
        shared.kind,
        shared.conflict_id,
        count(distinct records.first_name) > 1 or count(distinct records.last_name) > 1 as names_differ,
        count(distinct records.birth_date) > 1 as birth_dates_differ,
        count(distinct records.country) > 1 as countries_differ
    from shared
    inner join records on shared.customer_id = records.customer_id
    group by shared.kind, shared.conflict_id
),

channels_disagreeing as (
    select
        shared.kind,
        shared.conflict_id,
        consents.purpose,
        consents.channel
    from shared
    inner join consents on shared.customer_id = consents.customer_id
    group by shared.kind, shared.conflict_id, consents.purpose, consents.channel
    having count(distinct consents.is_granted) > 1
),

channels_named as (
    select distinct
        kind,
        conflict_id,
        channel
    from channels_disagreeing
),

consents_compared as (
    select
        kind,
        conflict_id,
        {{ ordered_list('channel') }} as channels
    from channels_named
    group by kind, conflict_id
),

suppressions_disagreeing as (
    select
        shared.kind,
        shared.conflict_id,
        suppressed.purpose
    from shared
    inner join suppressed on shared.customer_id = suppressed.customer_id
    group by shared.kind, shared.conflict_id, suppressed.purpose, shared.customers
    having count(*) < shared.customers
),

suppressions_compared as (
    select distinct
        kind,
        conflict_id
    from suppressions_disagreeing
),

flags as (
    {% for flag, (purpose, channel) in consent_flags().items() %}
    select
        customer_id,
        '{{ purpose }}' as purpose,
        '{{ channel }}' as channel,
        {{ flag }} as is_granted
    from records
    where {{ flag }} is not null
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

-- What the record says against what is known of the person from all sources together.
flags_disagreeing as (
    select distinct
        flags.customer_id,
        flags.channel
    from flags
    inner join consents
        on
            flags.customer_id = consents.customer_id
            and flags.purpose = consents.purpose
            and flags.channel = consents.channel
    where flags.is_granted <> consents.is_granted
),

records_outdated as (
    select
        customer_id,
        {{ ordered_list('channel') }} as channels
    from flags_disagreeing
    group by customer_id
),

final as (
    select
        shared.kind,
        shared.conflict_id,
        shared.customer_id,
        {{ as_of() }} as as_of_date,
        cast(shared.customers as integer) as customers,
        records_compared.names_differ,
        records_compared.birth_dates_differ,
        records_compared.countries_differ,
        consents_compared.conflict_id is not null as consents_differ,
        suppressions_compared.conflict_id is not null as suppressions_differ,
        consents_compared.channels
    from shared
    inner join records_compared
        on
            shared.kind = records_compared.kind
            and shared.conflict_id = records_compared.conflict_id
    left join consents_compared
        on
            shared.kind = consents_compared.kind
            and shared.conflict_id = consents_compared.conflict_id
    left join suppressions_compared
        on
            shared.kind = suppressions_compared.kind
            and shared.conflict_id = suppressions_compared.conflict_id
    union all
    select
        'record' as kind,
        {{ sha256_hex('customer_id') }} as conflict_id,
        customer_id,
        {{ as_of() }} as as_of_date,
        1 as customers,
        false as names_differ,
        false as birth_dates_differ,
        false as countries_differ,
        true as consents_differ,
        false as suppressions_differ,
        channels
    from records_outdated
)

select * from final
