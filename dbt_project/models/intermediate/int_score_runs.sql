with regimes as (
    select * from {{ ref('int_regimes') }}
),

frequency_bands as (
    select distinct
        f_band,
        above_orders,
        above_tie_break
    from {{ ref('int_frequency_bands') }}
),

monetary_bands as (
    select distinct
        m_band,
        above_value
    from {{ ref('int_monetary_bands') }}
),

scored as (
    select
        frequency_bands.f_band,
        monetary_bands.m_band,
        regimes.valid_from,
        1
        {%- for number in range(1, 5) %}
        + case
            when regimes.frequency_cut_{{ number }} < frequency_bands.above_orders then 1
            when
                regimes.frequency_cut_{{ number }} = frequency_bands.above_orders
                and regimes.frequency_tie_{{ number }} <= frequency_bands.above_tie_break
                then 1
            else 0
        end
        {%- endfor %} as f_score,
        1
        {%- for number in range(1, 5) %}
        + case when regimes.monetary_cut_{{ number }} <= monetary_bands.above_value then 1 else 0 end
        {%- endfor %} as m_score
    from regimes
    cross join frequency_bands
    cross join monetary_bands
),

compared as (
    select
        *,
        lag(f_score) over (partition by f_band, m_band order by valid_from) as f_score_before,
        lag(m_score) over (partition by f_band, m_band order by valid_from) as m_score_before
    from scored
),

starts as (
    select *
    from compared
    where
        f_score_before is null
        or f_score <> f_score_before
        or m_score <> m_score_before
),

final as (
    select
        f_band,
        m_band,
        valid_from,
        lead(valid_from, 1, {{ far_future() }}) over (partition by f_band, m_band order by valid_from) as valid_to,
        f_score,
        m_score
    from starts
)

select * from final
