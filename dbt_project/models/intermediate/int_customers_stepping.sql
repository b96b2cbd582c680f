-- depends_on: {{ ref('int_as_of_dates') }}
{% set current = state_of('int_customers_current') %}
with relabelled as (
    select customer_id from {{ ref('int_customers_relabelled') }}
),

refresh_scope as (
    select * from {{ ref('int_refresh_scope') }}
),

intervals as (
    select * from {{ ref('int_timeline_intervals') }}
),

{% if current %}
-- Whose label of today is not the one of the last run, although nothing new is known of them.
stepping as (
    select intervals.customer_id
    from intervals
    cross join refresh_scope
    where
        (
            intervals.valid_from > refresh_scope.applied_as_of_date
            and intervals.valid_from <= {{ as_of() }}
        )
        or (
            intervals.valid_to > refresh_scope.applied_as_of_date
            and intervals.valid_to <= {{ as_of() }}
        )
),

final as (
    select customer_id from relabelled
    union
    select customer_id from stepping
)
{% else %}
final as (
    select customer_id from relabelled
)
{% endif %}

select * from final
