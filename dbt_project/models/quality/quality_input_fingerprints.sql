{{ config(materialized='view') }}
{% set origin = ['source_file', 'source_line', 'excluded_by', 'loader_problem'] %}
{% set texts = {
    'orders': ['order_id', 'customer_id', 'status', 'currency', 'channel'],
    'order_lines': ['order_id', 'customer_id', 'product_id', 'category'],
    'refunds': ['refund_id', 'order_id'],
    'customers': [
        'customer_id', 'email', 'phone', 'country', 'region', 'first_name', 'last_name', 'gender',
        'consent_email', 'consent_sms', 'consent_ads',
    ],
    'customer_merges': ['customer_id', 'merged_into'],
    'consents': ['customer_id', 'purpose', 'channel', 'status'],
    'suppressions': ['type', 'value', 'purpose', 'reason'],
    'erasures': ['type', 'value'],
    'contacts': ['customer_id', 'channel', 'campaign_id'],
    'responses': ['customer_id', 'kind', 'campaign_id', 'channel'],
    'campaigns': ['campaign_id', 'audience', 'name'],
} %}
{% set numbers = {
    'orders': ['amount', 'refunded_amount', 'cost', 'items'],
    'order_lines': ['quantity', 'unit_price', 'discount'],
    'refunds': ['amount'],
    'responses': ['revenue'],
    'campaigns': ['cost'],
} %}
{% set times = {
    'orders': ['ordered_at', 'updated_at'],
    'order_lines': ['ordered_at'],
    'refunds': ['refunded_at'],
    'customers': ['birth_date', 'created_at', 'updated_at'],
    'customer_merges': ['merged_at'],
    'consents': ['given_at', 'expires_at'],
    'suppressions': ['added_at'],
    'erasures': ['requested_at'],
    'contacts': ['contacted_at'],
    'responses': ['responded_at'],
    'campaigns': ['started_on', 'ended_on'],
} %}
{% set present = [] %}
{% for input in texts if input_settings(input) is not none %}{% do present.append(input) %}{% endfor %}
with
{% for input in present %}
{{ input }} as (
    select * from {{ ref('base_shop__' ~ input) }}
),

{% endfor %}
-- A sum of hashes does not depend on the order of the rows and tells equal rows apart from one.
final as (
    {% for input in present %}
    {% set columns = origin + texts[input] %}
    {% for number in numbers.get(input, []) %}
    {% do columns.extend([number ~ '_native', number ~ '_text']) %}
    {% endfor %}
    {% for time in times.get(input, []) %}
    {% do columns.extend([time ~ '_utc', time ~ '_day', time ~ '_text']) %}
    {% endfor %}
    select
        '{{ input }}' as source,
        cast(count(*) as bigint) as row_count,
        cast(
            coalesce(sum(cast({{ row_hash(columns) }} as decimal(38, 0))), 0) as decimal(38, 0)
        ) as fingerprint
    from {{ input }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

select * from final
