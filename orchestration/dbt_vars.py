"""From the configuration to dbt: one pure function.

Names and shapes are those of `vars:` in `dbt_project/dbt_project.yml`. Starting dbt with them
is the business of `orchestration.defs`.
"""

from datetime import date
from typing import Any

from orchestration.config import Config, InputReading

# The shop that ships with the project is read when no input is configured.
SAMPLE_INPUTS = (
    "orders",
    "customers",
    "consents",
    "suppressions",
    "campaigns",
    "contacts",
    "responses",
)


def dbt_vars(config: Config, as_of: date) -> dict[str, Any]:
    """Translate a validated configuration into dbt vars.

    Args:
        config: The configuration; every string in it is an identifier, a known name or a pattern.
        as_of: The last day that the tables see.

    Returns:
        Exactly the vars that `dbt_project.yml` declares.
    """
    return {
        "as_of_date": as_of.isoformat(),
        "business_timezone": config.business_timezone,
        "currency": config.currency,
        "history_start": config.history_start.isoformat(),
        "raw_schema": config.raw_schema,
        "inputs": _inputs(config),
        "segment_preset": config.segment_preset,
        "score_method": config.scorecard.method,
        "calibrate": config.scorecard.calibrate,
        "min_calibration_customers": config.scorecard.min_calibration_customers,
        "min_calibration_days": config.scorecard.min_calibration_days,
        "tie_rule": config.scorecard.tie_rule,
        "cut_side": config.scorecard.cut_side,
        "rfm_window_days": config.rfm_window_days,
        "monetary_measure": config.monetary.measure,
        "monetary_aggregate": config.monetary.aggregate,
        "count_zero_value_orders": config.count_zero_value_orders,
        "future_order_days": config.future_order_days,
    }


def _inputs(config: Config) -> dict[str, dict[str, Any]]:
    """Name the inputs that exist, and how their dates are read."""
    if not config.tables and not config.feeds:
        reading = InputReading()
        return {name: _input(config, reading, "sample", text=True) for name in SAMPLE_INPUTS}
    feeds = {name: _input(config, feed, "raw", text=True) for name, feed in config.feeds.items()}
    tables = {name: _input(config, part, "raw", text=False) for name, part in config.tables.items()}
    return dict(sorted((feeds | tables).items()))


def _input(config: Config, reading: InputReading, relation: str, *, text: bool) -> dict[str, Any]:
    return {
        "relation": relation,
        "text": text,
        "date_formats": list(reading.date_formats),
        "source_timezone": reading.source_timezone or config.business_timezone,
    }
