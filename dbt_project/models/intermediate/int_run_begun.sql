{#
  Built before anything is forgotten. A run that did not reach its end left some tables ahead of the
  others, and what it read may have changed since: the next run trusts none of them.
#}
{% set begun = state_of('int_run_begun') %}
{% set applied = state_of('int_run_applied') %}
{% if begun and applied %}
with begun as (
    select * from {{ begun }}
),

applied as (
    select * from {{ applied }}
),

final as (
    select
        '{{ invocation_id }}' as run_id,
        count(applied.run_id) < count(*) as is_after_broken_run
    from begun
    left join applied on begun.run_id = applied.run_id
)
{% else %}
with final as (
    select
        '{{ invocation_id }}' as run_id,
        true as is_after_broken_run
)
{% endif %}

select * from final
