with regimes as (
    select * from {{ ref('int_regimes') }}
),

cuts as (
    {% for number in range(1, 5) %}
    select monetary_cut_{{ number }} as cut_value
    from regimes
    where monetary_cut_{{ number }} is not null
    {% if not loop.last %}union{% endif %}
    {% endfor %}
),

widths as (
    select cast(greatest(1, ceil((max(cut_value) - min(cut_value)) / 4096)) as integer) as bucket_width
    from cuts
),

cuts_in_order as (
    select
        cuts.cut_value,
        widths.bucket_width,
        row_number() over (order by cuts.cut_value) as band,
        lead(cuts.cut_value) over (order by cuts.cut_value) as next_value,
        cast(floor(min(cuts.cut_value) over () / widths.bucket_width) as integer) - 1 as lowest_bucket,
        cast(floor(max(cuts.cut_value) over () / widths.bucket_width) as integer) + 1 as highest_bucket
    from cuts
    cross join widths
),

-- Band 0 lies below every cut of every scorecard, band n above the n-th of them all. A band is
-- found by an equality on the bucket of its value, so no engine has to search ranges.
bands as (
    select
        band,
        cut_value as above_value,
        next_value as up_to_value,
        bucket_width,
        lowest_bucket,
        highest_bucket,
        cast(floor(cut_value / bucket_width) as integer) as first_bucket,
        coalesce(cast(floor(next_value / bucket_width) as integer), highest_bucket) as last_bucket
    from cuts_in_order
    union all
    select
        0 as band,
        cast(null as decimal(18, 4)) as above_value,
        cut_value as up_to_value,
        bucket_width,
        lowest_bucket,
        highest_bucket,
        lowest_bucket as first_bucket,
        cast(floor(cut_value / bucket_width) as integer) as last_bucket
    from cuts_in_order
    where band = 1
),

exploded as (
    {{ explode_integers('bands', 'first_bucket', 'last_bucket') }}
),

final as (
    select
        band as m_band,
        cast(number as integer) as bucket,
        above_value,
        up_to_value,
        bucket_width,
        lowest_bucket,
        highest_bucket
    from exploded
)

select * from final
