{% set flags = consent_flags() %}
with consents as (
    select * from {{ ref('stg_shop__consents') }}
),

known_customers as (
    select * from {{ ref('stg_shop__customers') }}
),

responses as (
    select * from {{ ref('stg_shop__responses') }}
),

requirements as (
    select * from {{ ref('consent_requirements') }}
),

holders as (
    select * from {{ ref('int_account_holders') }}
    where held_to = {{ far_future() }}
),

given as (
    select
        customer_id,
        purpose,
        channel,
        status,
        given_on,
        expires_on
    from consents
),

{% for flag, (purpose, channel) in flags.items() %}
{{ flag }}_flags as (
    select
        customer_id,
        '{{ purpose }}' as purpose,
        '{{ channel }}' as channel,
        case when {{ flag }} then 'GRANT' else 'DENY' end as status,
        -- A flag says nothing of its day: a yes gives way to every dated no, a no to nothing.
        {{ far_past() }} as given_on,
        cast(null as date) as expires_on
    from known_customers
    where {{ flag }} is not null
),

{% endfor %}
objected as (
    select
        customer_id,
        channel,
        response_date
    from responses
    where kind in ('unsubscribe', 'complaint')
),

scopes as (
    select distinct
        purpose,
        channel
    from requirements
),

-- Who unsubscribes or complains has spoken, whatever the consent feed says of the days before, and
-- means all that comes through that channel.
objections as (
    select
        objected.customer_id,
        coalesce(scopes.purpose, 'marketing') as purpose,
        objected.channel,
        'REVOKED' as status,
        objected.response_date as given_on,
        cast(null as date) as expires_on
    from objected
    left join scopes on objected.channel = scopes.channel
    where objected.channel is not null
),

-- Without a channel it is not known what to stop, so everything stops.
objections_to_all as (
    select
        objected.customer_id,
        scopes.purpose,
        scopes.channel,
        'REVOKED' as status,
        objected.response_date as given_on,
        cast(null as date) as expires_on
    from objected
    cross join scopes
    where objected.channel is null
),

statements as (
    select * from given
    {% for flag in flags %}
    union all
    select * from {{ flag }}_flags
    {% endfor %}
    union all
    select * from objections
    union all
    select * from objections_to_all
),

final as (
    select
        coalesce(holders.holder_id, statements.customer_id) as customer_id,
        statements.purpose,
        statements.channel,
        statements.status,
        statements.given_on,
        statements.expires_on
    from statements
    left join holders on statements.customer_id = holders.customer_id
)

select * from final
