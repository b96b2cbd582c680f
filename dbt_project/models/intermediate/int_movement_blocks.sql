{# Day, week and month back from the newest day, and as many of them as the checks compare. #}
{% set last_blocks = {1: 0, 7: 8, 30: 6} %}
with horizons as (
    {% for horizon_days, last_block in last_blocks.items() %}
    select
        {{ horizon_days }} as horizon_days,
        0 as first_block,
        {{ last_block }} as last_block,
        {{ as_of() }} as as_of_date
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

exploded as (
    {{ explode_integers('horizons', 'first_block', 'last_block') }}
),

final as (
    select
        horizon_days,
        cast(number as integer) as block,
        {{ add_days('as_of_date', '-horizon_days * (number + 1)') }} as block_start,
        {{ add_days('as_of_date', '-horizon_days * number') }} as block_end
    from exploded
)

select * from final
