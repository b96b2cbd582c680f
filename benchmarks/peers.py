"""The same single date as other tools score it: one function per tool, each a process of its own.

Every peer reads the same Parquet file of orders and writes one row per customer with totals, scores
from 1 to 5 and a segment. What each of them gets wrong (floating money, ties cut by chance) is not
corrected. Lifestage itself and the hand-written query are elsewhere.
Run as `python -m benchmarks.peers NAME ORDERS AS_OF RESULT`.
"""

import sys
from collections.abc import Callable
from datetime import date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

QUINTILES = (0.2, 0.4, 0.6, 0.8)
COLUMNS = ["customer_id", "ordered_at", "amount", "refunded_amount", "status"]


def pandas_notebook(orders: Path, as_of: date, result: Path) -> None:
    """The recipe of most notebooks: a lambda per measure, qcut of ranks, a function per row."""
    pd: Any = import_module("pandas")

    frame = _pandas_orders(pd, orders, as_of)
    midnight = datetime.combine(as_of, datetime.min.time())
    rfm = frame.groupby("customer_id").agg(
        recency=("ordered_at", lambda times: (midnight - times.max().normalize()).days),
        frequency=("ordered_at", "count"),
        monetary=("revenue", "sum"),
    )
    rfm["r_score"] = pd.qcut(rfm["recency"].rank(method="first"), 5, labels=[5, 4, 3, 2, 1])
    rfm["f_score"] = pd.qcut(rfm["frequency"].rank(method="first"), 5, labels=[1, 2, 3, 4, 5])
    rfm["m_score"] = pd.qcut(rfm["monetary"].rank(method="first"), 5, labels=[1, 2, 3, 4, 5])
    rfm["segment"] = rfm.apply(_segment_of_row, axis=1)
    rfm.to_parquet(result)


def pandas_vectorised(orders: Path, as_of: date, result: Path) -> None:
    """Pandas without a Python function in a loop."""
    np: Any = import_module("numpy")
    pd: Any = import_module("pandas")

    frame = _pandas_orders(pd, orders, as_of)
    grouped = frame.groupby("customer_id", sort=False)
    rfm = grouped.agg(
        last_order=("ordered_at", "max"),
        frequency=("ordered_at", "size"),
        monetary=("revenue", "sum"),
    )
    midnight = datetime.combine(as_of, datetime.min.time())
    rfm["recency"] = (midnight - rfm["last_order"].dt.normalize()).dt.days
    for name, column in (("r", "recency"), ("f", "frequency"), ("m", "monetary")):
        cuts = rfm[column].quantile(QUINTILES).to_numpy()
        rfm[f"{name}_score"] = np.searchsorted(cuts, rfm[column].to_numpy(), side="left") + 1
    rfm["r_score"] = 6 - rfm["r_score"]
    r, f, m = (rfm[f"{name}_score"] for name in "rfm")
    rfm["segment"] = np.select(
        [
            *((r >= 4) & (f >= 4) & (m >= 4), (r >= 3) & (f >= 4), (r == 5) & (f == 1)),
            *(r >= 3, (r == 1) & (f >= 4), f >= 3),
        ],
        [
            *("champions", "loyal_customers", "new_customers"),
            *("potential_loyalists", "cant_lose_them", "at_risk"),
        ],
        "hibernating",
    )
    rfm.to_parquet(result)


def polars_streaming(orders: Path, as_of: date, result: Path) -> None:
    """Polars on its streaming engine."""
    pl: Any = import_module("polars")

    rfm = (
        pl.scan_parquet(orders)
        .filter(
            pl.col("status") != "cancelled",
            pl.col("ordered_at") < pl.lit(as_of + timedelta(days=1)).cast(pl.Datetime),
        )
        .group_by("customer_id")
        .agg(
            last_order=pl.col("ordered_at").max().dt.date(),
            frequency=pl.len(),
            monetary=(pl.col("amount") - pl.col("refunded_amount")).cast(pl.Float64).sum(),
        )
        .with_columns(recency=(pl.lit(as_of) - pl.col("last_order")).dt.total_days())
    )

    def score(column: str) -> Any:
        exceeded = [pl.col(column) > pl.col(column).quantile(cut) for cut in QUINTILES]
        return 1 + pl.sum_horizontal([one.cast(pl.Int8) for one in exceeded])

    scored = rfm.with_columns(
        r_score=6 - score("recency"), f_score=score("frequency"), m_score=score("monetary")
    )
    r, f, m = (pl.col(f"{name}_score") for name in "rfm")
    segment = (
        pl.when((r >= 4) & (f >= 4) & (m >= 4))
        .then(pl.lit("champions"))
        .when((r >= 3) & (f >= 4))
        .then(pl.lit("loyal_customers"))
        .when((r == 5) & (f == 1))
        .then(pl.lit("new_customers"))
        .when(r >= 3)
        .then(pl.lit("potential_loyalists"))
        .when((r == 1) & (f >= 4))
        .then(pl.lit("cant_lose_them"))
        .when(f >= 3)
        .then(pl.lit("at_risk"))
        .otherwise(pl.lit("hibernating"))
    )
    scored.with_columns(segment=segment).collect(engine="streaming").write_parquet(result)


def lifetimes_summary(orders: Path, as_of: date, result: Path) -> None:
    """What lifetimes needs before it fits anything: its summary, without scores or segments."""
    pd: Any = import_module("pandas")
    lifetimes: Any = import_module("lifetimes.utils")

    frame = _pandas_orders(pd, orders, as_of)
    summary = lifetimes.summary_data_from_transaction_data(
        frame,
        "customer_id",
        "ordered_at",
        monetary_value_col="revenue",
        observation_period_end=datetime.combine(as_of, datetime.min.time()),
    )
    summary.to_parquet(result)


def _pandas_orders(pd: Any, orders: Path, as_of: date) -> Any:
    frame = pd.read_parquet(orders, columns=COLUMNS)
    until = datetime.combine(as_of + timedelta(days=1), datetime.min.time())
    frame = frame[(frame["status"] != "cancelled") & (frame["ordered_at"] < until)]
    for money in ("amount", "refunded_amount"):
        frame = frame.assign(**{money: frame[money].astype("float64")})
    return frame.assign(revenue=frame["amount"] - frame["refunded_amount"])


def _segment_of_row(row: Any) -> str:
    r, f, m = row["r_score"], row["f_score"], row["m_score"]
    rules = (
        (r >= 4 and f >= 4 and m >= 4, "champions"),
        (r >= 3 and f >= 4, "loyal_customers"),
        (r == 5 and f == 1, "new_customers"),
        (r >= 3, "potential_loyalists"),
        (r == 1 and f >= 4, "cant_lose_them"),
        (f >= 3, "at_risk"),
    )
    return next((name for holds, name in rules if holds), "hibernating")


# What a peer needs, so that one that is not installed is left out by name.
PEERS: dict[str, tuple[Callable[[Path, date, Path], None], tuple[str, ...], str]] = {
    "polars_streaming": (polars_streaming, ("polars",), "polars, streaming"),
    "pandas_vectorised": (pandas_vectorised, ("pandas", "pyarrow"), "pandas, vectorised"),
    "pandas_notebook": (pandas_notebook, ("pandas", "pyarrow"), "pandas, as in notebooks"),
    "lifetimes_summary": (
        lifetimes_summary,
        ("lifetimes", "pyarrow"),
        "lifetimes, its summary alone",
    ),
}

if __name__ == "__main__":
    name, orders_path, day, result_path = sys.argv[1:]
    PEERS[name][0](Path(orders_path), date.fromisoformat(day), Path(result_path))
