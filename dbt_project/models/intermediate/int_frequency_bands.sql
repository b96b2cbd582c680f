{% set is_ranked = var('tie_rule') == 'rank_first' %}
with regimes as (
    select * from {{ ref('int_regimes') }}
),

cuts as (
    {% for number in range(1, 5) %}
    select
        frequency_cut_{{ number }} as orders,
        frequency_tie_{{ number }} as tie_break
    from regimes
    where frequency_cut_{{ number }} is not null
    {% if not loop.last %}union{% endif %}
    {% endfor %}
),

cuts_in_order as (
    select
        orders,
        tie_break,
        row_number() over (order by orders, tie_break) as band,
        lead(orders) over (order by orders, tie_break) as next_orders,
        lead(tie_break) over (order by orders, tie_break) as next_tie_break,
        max(orders) over () as highest_cut
    from cuts
),

-- Band 0 lies below every cut of every scorecard, band n above the n-th of them all.
bands as (
    select
        band,
        orders as above_orders,
        tie_break as above_tie_break,
        next_orders as up_to_orders,
        next_tie_break as up_to_tie_break,
        orders{% if not is_ranked %} + 1{% endif %} as first_orders,
        coalesce(next_orders, greatest(highest_cut, 0) + 1) as last_orders
    from cuts_in_order
    union all
    select
        0 as band,
        cast(null as integer) as above_orders,
        cast(null as {{ dbt.type_string() }}) as above_tie_break,
        orders as up_to_orders,
        tie_break as up_to_tie_break,
        0 as first_orders,
        orders as last_orders
    from cuts_in_order
    where band = 1
),

exploded as (
    {{ explode_integers('bands', 'first_orders', 'last_orders') }}
),

final as (
    select
        band as f_band,
        number as orders_up_to_highest,
        above_orders,
        above_tie_break,
        up_to_orders,
        up_to_tie_break
    from exploded
)

select * from final
