{# Looks at all raw orders; whatever else the models ask of them is asked of batches that changed. #}
{{ config(materialized='table') }}
-- depends_on: {{ ref('order_statuses') }}, {{ ref('currencies') }}
{% set input = raw_input('orders') %}
{% set columns = ['order_id', 'customer_id'] %}
{% if '_load_id' in input['types'] %}
{% do columns.extend(['source_file', 'source_line', 'excluded_by', 'loader_problem']) %}
{% endif %}
{% for text in ['status', 'currency', 'channel'] if text in input['types'] %}
{% do columns.append(text) %}
{% endfor %}
{% for number in ['amount', 'refunded_amount', 'cost', 'items'] if number in input['types'] %}
{% do columns.extend([number ~ '_native', number ~ '_text']) %}
{% endfor %}
{% for time in ['ordered_at', 'updated_at'] if time in input['types'] %}
{% do columns.extend([time ~ '_utc', time ~ '_day', time ~ '_text']) %}
{% endfor %}
{# What a verdict depends on besides the row and the newest day. #}
{% set checked_by = {
    'input': input_settings('orders'), 'types': input['types'],
    'code': env_var('LIFESTAGE_CHECKED_BY', ''),
} %}
{% for name in ['business_timezone', 'currency', 'count_zero_value_orders', 'future_order_days'] %}
{% do checked_by.update({name: var(name)}) %}
{% endfor %}
with orders as (
    select * from {{ ref('base_shop__orders') }}
),

order_statuses as (
    select * from {{ ref('order_statuses') }}
),

currencies as (
    select * from {{ ref('currencies') }}
),

rule_lines as (
    select {{ as_line(["'status'", 'status', 'kind']) }} as line
    from order_statuses
    union all
    select {{ as_line(["'currency'", 'currency']) }} as line
    from currencies
),

rules as (
    select {{ ordered_list('line') }} as content
    from rule_lines
),

batches as (
    select
        batch,
        cast(count(*) as bigint) as row_count,
        cast(sum(cast({{ row_hash(columns) }} as decimal(38, 0))) as decimal(38, 0)) as fingerprint
    from orders
    group by batch
),

final as (
    select
        batches.batch,
        batches.row_count,
        batches.fingerprint,
        md5('{{ tojson(checked_by, sort_keys=true) | replace("'", "''") }}' || rules.content) as checks_hash
    from batches
    cross join rules
)

select * from final
