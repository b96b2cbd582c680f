with statements as (
    select * from {{ ref('activation_statements') }}
),

as_of_dates as (
    select distinct as_of_date from {{ ref('activation_days') }}
),

-- Of the statements of one day the one that forbids wins. A no without a day, which staging dates
-- to the far past, may be the last word, so it wins over every day.
ranked as (
    select
        as_of_dates.as_of_date,
        statements.customer_id,
        statements.purpose,
        statements.channel,
        statements.status,
        statements.expires_on,
        row_number() over (
            partition by
                as_of_dates.as_of_date, statements.customer_id, statements.purpose, statements.channel
            order by
                case when statements.status <> 'GRANT' and statements.given_on = {{ far_past() }} then 0 else 1 end,
                statements.given_on desc,
                case when statements.status = 'GRANT' then 1 else 0 end,
                coalesce(statements.expires_on, {{ far_future() }})
        ) as place
    from statements
    inner join as_of_dates on statements.given_on <= as_of_dates.as_of_date
),

final as (
    select
        as_of_date,
        customer_id,
        purpose,
        channel,
        status = 'GRANT' and (expires_on is null or expires_on > as_of_date) as is_granted,
        status <> 'GRANT' as is_refused
    from ranked
    where place = 1
)

select * from final
