"""Synthetic shops of any size: the same orders for the same number, on any number of threads.

Orders per customer follow a power law, acquisition grows over three years, amounts are lognormal.
The last day is a day like others: most of its orders are of customers who are known.
Every value is a hash of the customer and the order, so nothing depends on the order of work.
"""

from datetime import date
from pathlib import Path

import duckdb

FIRST_DAY = date(2022, 1, 1)
LAST_DAY = date(2024, 12, 30)
DAYS = (LAST_DAY - FIRST_DAY).days + 1

CUSTOMERS = f"""
create temp table customers as
select
    number,
    least(2000, greatest(1, floor(
        1.2 * power(1 - ((hash(number * 3 + 1) % 1000000) + 0.5) / 1000000.0, -1 / 0.95)
    )))::integer as orders,
    (sqrt(((hash(number * 3 + 2) % 1000000) + 0.5) / 1000000.0) * {DAYS - 1})::integer as first_day
from range(?) as numbers (number)
"""

ORDERS = f"""
copy (
    with numbered as (
        select
            customers.number,
            place,
            first_day + case
                when place = 0 then 0
                else ((hash(number * 131 + place * 17) % 1000000) / 1000000.0)
                    * ({DAYS} - first_day)
            end as day,
            hash(number * 1000003 + place) as lot,
            exp(3.4 + 0.8
                * sqrt(-2 * ln(((hash(number * 13 + place * 7) % 999999) + 1) / 1000000.0))
                * cos(6.2831853 * ((hash(number * 17 + place * 3) % 1000000) / 1000000.0))
            )::decimal(18, 4) as amount
        from customers, unnest(range(orders)) as places (place)
    ),
    dated as (
        select *, timestamp '{FIRST_DAY}' + to_seconds(
            floor(day)::bigint * 86400 + (lot % 80000)::bigint
        ) as ordered_at
        from numbered
    )
    select
        'O' || lpad(row_number() over (order by ordered_at, number, place)::varchar, 10, '0')
            as order_id,
        'C' || lpad(number::varchar, 8, '0') as customer_id,
        ordered_at,
        amount,
        case when lot % 100 < 4 then 'cancelled' else 'completed' end as status,
        case when lot % 100 >= 96 then amount else 0 end::decimal(18, 4) as refunded_amount
    from dated
    order by ordered_at, number, place
) to '{{path}}' (format parquet, compression zstd)
"""


def write_orders(path: Path, orders: int) -> None:
    """Write about this many orders of a tenth as many customers, sorted by time."""
    partial = path.with_suffix(".partial")
    with duckdb.connect(config={"memory_limit": "8GB"}) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"set temp_directory = '{path.parent / 'spilled'}'")
        connection.execute(CUSTOMERS, [orders // 10]).fetchall()
        connection.execute(ORDERS.replace("{path}", str(partial))).fetchall()
    partial.replace(path)
