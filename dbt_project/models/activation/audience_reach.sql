{% set reasons = ['suppressed', 'archived', 'under_age', 'no_consent', 'no_key', 'over_cap', 'held_out'] %}
with catalogue as (
    select * from {{ ref('audience_catalogue') }}
),

decisions as (
    select * from {{ ref('activation_decisions') }}
    where as_of_date = {{ as_of() }}
),

counted as (
    select
        audience,
        count(*) as candidates,
        {% for reason in reasons %}
        count(case when reason = '{{ reason }}' then 1 end) as {{ reason }},
        {% endfor %}
        count(case when reason is null then 1 end) as contactable,
        count(case when has_key then 1 end) as with_key
    from decisions
    group by audience
),

final as (
    select
        catalogue.audience,
        {{ as_of() }} as as_of_date,
        catalogue.destination,
        {% for column in ['candidates'] + reasons + ['contactable', 'with_key'] %}
        cast(coalesce(counted.{{ column }}, 0) as integer) as {{ column }},
        {% endfor %}
        catalogue.minimum_size,
        coalesce(counted.contactable, 0) >= catalogue.minimum_size as is_served
    from catalogue
    left join counted on catalogue.audience = counted.audience
)

select * from final
