with rows_set_apart as (
    select * from {{ ref('stg_shop__rows_set_apart') }}
),

final as (
    select
        source,
        source_file as file,
        source_line as line,
        row_key,
        {{ dbt.split_part('problem', "'|'", 2) }} as column_name,
        {{ dbt.split_part('problem', "'|'", 1) }} as reason_code
    from rows_set_apart
    where outcome = 'rejected'
)

select * from final
