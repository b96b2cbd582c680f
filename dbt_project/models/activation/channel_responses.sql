{% set kinds = {
    'open': 'opened',
    'click': 'clicked',
    'conversion': 'converted',
    'unsubscribe': 'unsubscribed',
    'complaint': 'complained',
} %}
with all_contacts as (
    select * from {{ ref('activation_contacts') }}
),

responses as (
    select * from {{ ref('stg_shop__responses') }}
    where
        kind in ('{{ kinds | join("', '") }}')
        and response_date <= {{ as_of() }}
        and response_date > {{ add_days(as_of(), '0 - ' ~ limit_of('responses_days')) }}
),

holders as (
    select * from {{ ref('int_account_holders') }}
    where held_to = {{ far_future() }}
),

timeline as (
    select * from {{ ref('customer_timeline') }}
),

contact_days as (
    select
        customer_id,
        channel,
        campaign_id,
        contact_date,
        count(*) as contacts
    from all_contacts
    where contact_date > {{ add_days(as_of(), '0 - ' ~ limit_of('responses_days')) }}
    group by customer_id, channel, campaign_id, contact_date
),

contacts as (
    select
        contact_days.*,
        timeline.segment
    from contact_days
    left join timeline
        on
            contact_days.customer_id = timeline.customer_id
            and contact_days.contact_date >= timeline.valid_from
            and contact_days.contact_date < timeline.valid_to
),

-- A message is what is answered until the next one of its kind comes.
campaign_messages as (
    select
        customer_id,
        channel,
        campaign_id,
        segment,
        contact_date,
        lead(contact_date, 1, {{ far_future() }}) over (
            partition by customer_id, channel, campaign_id order by contact_date
        ) as next_contact_date
    from contacts
    where campaign_id is not null
),

channel_days as (
    select distinct
        customer_id,
        channel,
        segment,
        contact_date
    from contacts
),

channel_messages as (
    select
        *,
        lead(contact_date, 1, {{ far_future() }}) over (
            partition by customer_id, channel order by contact_date
        ) as next_contact_date
    from channel_days
),

campaign_channels as (
    select
        customer_id,
        campaign_id,
        min(channel) as channel
    from all_contacts
    where campaign_id is not null
    group by customer_id, campaign_id
    having count(distinct channel) = 1
),

answers_held as (
    select
        coalesce(holders.holder_id, responses.customer_id) as customer_id,
        responses.campaign_id,
        responses.channel,
        responses.kind,
        responses.response_date,
        responses.revenue
    from responses
    left join holders on responses.customer_id = holders.customer_id
),

answers as (
    select
        answers_held.customer_id,
        answers_held.campaign_id,
        answers_held.kind,
        answers_held.response_date,
        answers_held.revenue,
        coalesce(answers_held.channel, campaign_channels.channel) as channel
    from answers_held
    left join campaign_channels
        on
            answers_held.customer_id = campaign_channels.customer_id
            and answers_held.campaign_id = campaign_channels.campaign_id
),

happened as (
    select
        segment,
        channel,
        customer_id,
        'contact' as kind,
        contacts,
        cast(null as decimal(18, 4)) as revenue
    from contacts
    union all
    select
        campaign_messages.segment,
        campaign_messages.channel,
        answers.customer_id,
        answers.kind,
        0 as contacts,
        answers.revenue
    from answers
    inner join campaign_messages
        on
            answers.customer_id = campaign_messages.customer_id
            and answers.channel = campaign_messages.channel
            and answers.campaign_id = campaign_messages.campaign_id
            and answers.response_date >= campaign_messages.contact_date
            and answers.response_date < campaign_messages.next_contact_date
    union all
    select
        channel_messages.segment,
        channel_messages.channel,
        answers.customer_id,
        answers.kind,
        0 as contacts,
        answers.revenue
    from answers
    inner join channel_messages
        on
            answers.customer_id = channel_messages.customer_id
            and answers.channel = channel_messages.channel
            and answers.response_date >= channel_messages.contact_date
            and answers.response_date < channel_messages.next_contact_date
    where answers.campaign_id is null
),

counted as (
    select
        segment,
        channel,
        cast(sum(contacts) as bigint) as contacts,
        count(distinct case when kind = 'contact' then customer_id end) as customers_contacted,
        {% for kind, done in kinds.items() %}
        count(distinct case when kind = '{{ kind }}' then customer_id end) as customers_{{ done }},
        {% endfor %}
        cast(coalesce(sum(revenue), 0) as decimal(18, 4)) as revenue
    from happened
    group by segment, channel
),

-- What everybody else made of the same channel.
compared as (
    select
        *,
        sum(contacts) over (partition by channel) - contacts as other_contacts,
        sum(customers_contacted) over (partition by channel) - customers_contacted as other_customers,
        sum(customers_opened) over (partition by channel) - customers_opened as others_opened,
        sum(customers_converted) over (partition by channel) - customers_converted as others_converted,
        sum(revenue) over (partition by channel) - revenue as other_revenue
    from counted
),

final as (
    select
        segment,
        channel,
        {{ as_of() }} as as_of_date,
        contacts,
        cast(customers_contacted as bigint) as customers_contacted,
        {% for done in kinds.values() %}
        cast(customers_{{ done }} as bigint) as customers_{{ done }},
        {% endfor %}
        {% for kind, done in kinds.items() %}
        {{ exact_share('customers_' ~ done, 'customers_contacted') }} as {{ kind }}_rate,
        {% endfor %}
        revenue,
        {{ exact_average('revenue', 'contacts') }} as revenue_per_contact,
        {{ exact_share('customers_opened * other_customers', 'others_opened * customers_contacted') }} as open_ratio,
        {{ exact_share(
            'customers_converted * other_customers',
            'others_converted * customers_contacted',
        ) }} as conversion_ratio,
        {{ exact_share('revenue * other_contacts', 'other_revenue * contacts') }} as revenue_ratio
    from compared
)

select * from final
