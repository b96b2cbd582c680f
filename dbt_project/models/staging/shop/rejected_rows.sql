{{ config(materialized='table') }}

with rows_judged as (
    select * from {{ ref('stg_shop__rows_judged') }}
),

final as (
    select
        source,
        source_file as file,
        source_line as line,
        row_key,
        {{ dbt.split_part('problem', "'|'", 2) }} as column_name,
        {{ dbt.split_part('problem', "'|'", 1) }} as reason_code
    from rows_judged
    where outcome = 'rejected'
)

select * from final
