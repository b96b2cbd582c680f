with candidates as (
    select * from {{ ref('activation_candidates') }}
),

audiences_given as (
    select * from {{ ref('audiences') }}
    where preset in ('*', '{{ var("segment_preset") }}')
),

people as (
    select * from {{ ref('people') }}
),

suppressed as (
    select * from {{ ref('activation_suppressed') }}
),

archived as (
    select * from {{ ref('activation_archived') }}
),

consents as (
    select * from {{ ref('activation_consents') }}
),

requirements as (
    select * from {{ ref('consent_requirements') }}
),

pressure as (
    select * from {{ ref('contact_pressure') }}
    where is_at_cap
),

holdouts as (
    select * from {{ ref('holdouts') }}
),

youngest as (
    select * from {{ ref('activation_limits') }}
    where name = 'youngest_for_ads'
),

described as (
    select
        candidates.as_of_date,
        candidates.audience,
        candidates.customer_id,
        audiences_given.purpose,
        audiences_given.channel,
        people.country,
        people.birth_date,
        case
            when audiences_given.channel = 'email' then people.email is not null
            when audiences_given.channel in ('sms', 'phone') then people.phone is not null
            when audiences_given.channel = 'ads'
                then people.email is not null or people.phone_sha256 is not null
            else true
        end as has_key
    from candidates
    inner join audiences_given on candidates.audience = audiences_given.audience
    inner join people on candidates.customer_id = people.customer_id
),

-- A country with a rule of its own goes by that rule, all others by the rule for everywhere.
required as (
    select
        described.*,
        coalesce(own_rules.requires, rules_everywhere.requires, 'grant') as requires
    from described
    left join requirements as own_rules
        on
            described.country = own_rules.region
            and described.purpose = own_rules.purpose
            and described.channel = own_rules.channel
    left join requirements as rules_everywhere
        on
            rules_everywhere.region = '*'
            and described.purpose = rules_everywhere.purpose
            and described.channel = rules_everywhere.channel
),

suppressed_candidates as (
    select distinct
        required.as_of_date,
        required.audience,
        required.customer_id
    from required
    inner join suppressed
        on
            required.customer_id = suppressed.customer_id
            and required.as_of_date >= suppressed.suppressed_from
            and suppressed.purpose in ('all', required.purpose)
),

pressed_candidates as (
    select distinct
        required.as_of_date,
        required.audience,
        required.customer_id
    from required
    inner join pressure
        on
            required.customer_id = pressure.customer_id
            and required.as_of_date = pressure.as_of_date
            and pressure.channel in ('*', required.channel)
    where required.channel <> 'ads'
),

held_out_candidates as (
    select distinct
        required.as_of_date,
        required.audience,
        required.customer_id
    from required
    inner join holdouts
        on
            holdouts.audience in ('*', required.audience)
            and {{ hash_share("holdouts.salt || ':' || required.customer_id") }} < holdouts.share
    where required.channel <> 'ads'
),

questioned as (
    select
        required.as_of_date,
        required.audience,
        required.customer_id,
        required.has_key,
        suppressed_candidates.customer_id is not null as is_suppressed,
        archived.customer_id is not null as is_archived,
        coalesce(
            required.channel = 'ads'
            and {{ is_younger_than('required.birth_date', 'required.as_of_date', 'youngest.value') }},
            false
        ) as is_under_age,
        case
            when required.requires = 'grant' then not coalesce(consents.is_granted, false)
            else coalesce(consents.is_refused, false)
        end as lacks_consent,
        pressed_candidates.customer_id is not null as is_over_cap,
        held_out_candidates.customer_id is not null as is_held_out
    from required
    cross join youngest
    left join suppressed_candidates
        on
            required.as_of_date = suppressed_candidates.as_of_date
            and required.audience = suppressed_candidates.audience
            and required.customer_id = suppressed_candidates.customer_id
    left join archived
        on
            required.as_of_date = archived.as_of_date
            and required.customer_id = archived.customer_id
            and required.as_of_date >= archived.archived_from
    left join consents
        on
            required.as_of_date = consents.as_of_date
            and required.customer_id = consents.customer_id
            and required.purpose = consents.purpose
            and required.channel = consents.channel
    left join pressed_candidates
        on
            required.as_of_date = pressed_candidates.as_of_date
            and required.audience = pressed_candidates.audience
            and required.customer_id = pressed_candidates.customer_id
    left join held_out_candidates
        on
            required.as_of_date = held_out_candidates.as_of_date
            and required.audience = held_out_candidates.audience
            and required.customer_id = held_out_candidates.customer_id
),

final as (
    select
        as_of_date,
        audience,
        customer_id,
        has_key,
        case
            when is_suppressed then 'suppressed'
            when is_archived then 'archived'
            when is_under_age then 'under_age'
            when lacks_consent then 'no_consent'
            when not has_key then 'no_key'
            when is_over_cap then 'over_cap'
            when is_held_out then 'held_out'
        end as reason,
        -- Nobody who was held out of earlier messages is archived or over a cap because of them, so
        -- neither may decide who is compared.
        case
            when is_suppressed or is_under_age or lacks_consent or not has_key then null
            when is_held_out then 'held_out'
            else 'treated'
        end as arm
    from questioned
)

select * from final
