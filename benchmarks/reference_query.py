"""The yardstick: one hand-written query that scores every customer on one date.

It does what an RFM notebook does, as fast as one statement can: totals, quintile cut points,
scores, a segment and a stage, to a table and to Parquet. No history, no causes, no checks.
Run as `python -m benchmarks.reference_query WAREHOUSE AS_OF PARQUET`.
"""

import sys

import duckdb

QUERY = """
create or replace temp table scored as
with totals as (
    select
        customer_id,
        max(ordered_at::date) as last_order,
        min(ordered_at::date) as first_order,
        count(*) as orders,
        sum(amount - refunded_amount)::decimal(18, 4) as monetary
    from raw.orders
    where status <> 'cancelled' and ordered_at < $as_of::date + interval 1 day
    group by customer_id
),
aged as (select *, $as_of::date - last_order as recency from totals),
cuts as (
    select
        quantile_disc(recency, [.2, .4, .6, .8]) as r,
        quantile_disc(orders, [.2, .4, .6, .8]) as f,
        quantile_disc(monetary, [.2, .4, .6, .8]) as m
    from aged
),
scores as (
    select
        aged.*,
        5 - (recency > r[1])::int - (recency > r[2])::int - (recency > r[3])::int
            - (recency > r[4])::int as r_score,
        1 + (orders > f[1])::int + (orders > f[2])::int + (orders > f[3])::int
            + (orders > f[4])::int as f_score,
        1 + (monetary > m[1])::int + (monetary > m[2])::int + (monetary > m[3])::int
            + (monetary > m[4])::int as m_score
    from aged, cuts
)
select
    *,
    case
        when r_score >= 4 and f_score >= 4 and m_score >= 4 then 'champions'
        when r_score >= 3 and f_score >= 4 then 'loyal_customers'
        when r_score = 5 and f_score = 1 then 'new_customers'
        when r_score >= 3 then 'potential_loyalists'
        when r_score = 1 and f_score >= 4 then 'cant_lose_them'
        when f_score >= 3 then 'at_risk'
        else 'hibernating'
    end as segment,
    case
        when recency > 180 then 'lost'
        when recency > 90 then 'dormant'
        when recency > 60 then 'at_risk'
        when $as_of::date - first_order <= 30 then 'new'
        else 'active'
    end as lifecycle_stage
from scores
"""


def main(warehouse: str, as_of: str, parquet: str) -> None:
    """Score one date from the raw orders of a warehouse."""
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(f"attach '{warehouse}' as warehouse (read_only)")
        connection.execute(f"attach '{parquet}.duckdb' as result")
        connection.execute("use warehouse")
        connection.execute(
            QUERY.replace("temp table scored", "table result.scored"), {"as_of": as_of}
        ).fetchall()
        connection.execute(
            f"copy result.scored to '{parquet}' (format parquet, compression zstd)"
        ).fetchall()


if __name__ == "__main__":
    main(*sys.argv[1:])
