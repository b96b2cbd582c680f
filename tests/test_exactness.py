"""The timeline against an independent scorer, on random worlds and for every day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.compiled import Compiler
from tests.oracle import Oracle
from tests.worlds import World, worlds

if TYPE_CHECKING:
    import duckdb

TIMELINE = """
select customer_id, valid_from, valid_to, r_score, f_score, m_score, segment, lifecycle_stage,
    first_order_date, last_order_date, orders, monetary, cause, scorecard_id, ruleset_id,
    is_projected
from marts.customer_timeline
order by customer_id, valid_from
"""


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Compiler:
    return Compiler(tmp_path_factory.mktemp("compiled"))


def expected_timeline(world: World) -> list[tuple[Any, ...]]:
    return sorted(
        (
            one.customer_id,
            one.valid_from,
            one.valid_to,
            one.label.r_score,
            one.label.f_score,
            one.label.m_score,
            one.label.segment,
            one.label.lifecycle_stage,
            one.label.first_order_date,
            one.label.last_order_date,
            one.label.orders,
            one.label.monetary,
            one.cause,
            one.scorecard_id,
            one.ruleset_id,
            one.is_projected,
        )
        for one in Oracle(world).timelines()
    )


def assert_moves_add_up(connection: duckdb.DuckDBPyConnection) -> None:
    """Between any two days, sizes differ by exactly the moves and their causes."""
    wrong = connection.execute(
        """
        with held as (
            select date_day, segment, count(customer_id) as customers
            from marts.segment_daily_metrics
            left join marts.customer_timeline using (segment)
            where date_day >= valid_from and date_day < valid_to
            group by all
        )
        select metrics.date_day, metrics.segment, metrics.customers, held.customers
        from marts.segment_daily_metrics as metrics
        left join held using (date_day, segment)
        where metrics.customers <> coalesce(held.customers, 0)
        """
    ).fetchall()
    assert wrong == []


@given(world=worlds())
@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_timeline_is_what_the_scorer_says_for_every_day(compiler: Compiler, world: World) -> None:
    with compiler.build(world) as connection:
        assert connection.execute(TIMELINE).fetchall() == expected_timeline(world)
        assert_moves_add_up(connection)
