{% set features = ['log_monetary', 'frequency', 'recency'] %}
with current_customers as (
    select * from {{ ref('int_customers_current') }}
),

segment_codes as (
    select distinct
        segment_code,
        segment
    from {{ ref('int_cells') }}
),

-- A logarithm is kept to six decimals: its sums are then exact, whatever the order of the rows.
described as (
    select
        segment_code,
        cast(ln(1 + {{ as_double('greatest(monetary, 0)') }}) as decimal(18, 6)) as log_monetary,
        cast(orders as decimal(18, 0)) as frequency,
        cast({{ days_between('last_order_date', as_of()) }} as decimal(18, 0)) as recency
    from current_customers
),

summed as (
    select
        {% for feature in features %}
        cast(sum({{ feature }}) as decimal(38, 6)) as {{ feature }}_sum,
        cast(sum({{ feature }} * {{ feature }}) as decimal(38, 12)) as {{ feature }}_square_sum,
        {% endfor %}
        segment_code,
        count(*) as customers
    from described
    group by segment_code
),

by_feature as (
    {% for feature in features %}
    select
        segment_code,
        '{{ feature }}' as feature,
        customers,
        {{ feature }}_sum as feature_sum,
        {{ feature }}_square_sum as square_sum
    from summed
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

centred as (
    select
        *,
        customers * square_sum - feature_sum * feature_sum as scaled_variance
    from by_feature
),

final as (
    select
        segment_codes.segment,
        centred.feature,
        cast(centred.customers as bigint) as customers,
        {{ as_double('centred.feature_sum') }} / centred.customers as mean,
        {{ as_double('centred.scaled_variance') }} / centred.customers / centred.customers as variance
    from centred
    inner join segment_codes on centred.segment_code = segment_codes.segment_code
)

select * from final
