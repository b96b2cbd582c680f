"""Shops that live for several nights: what is delivered each night, and nights run in memory.

`shop(seed)` tells of a shop in which orders arrive, come late, are corrected, moved and deleted,
in which merges and rules come and go and some runs die. `Nights` runs the compiled statements of
incremental builds the way dbt does, so that a night costs a fraction of a second; that dbt itself
does the same is tested with real runs.
"""

from __future__ import annotations

import atexit
import json
import random
import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import jinja2
import pytest
from dbt.cli.main import dbtRunner

from tests import compiled
from tests.worlds import FIRST_RULES, SECOND_RULES, Merge, Order, Refund, World, cuts, stages
from tests.worlds import world as random_world

if TYPE_CHECKING:
    from collections.abc import Iterator

READING = {"relation": "raw", "text": False, "date_formats": [], "source_timezone": "UTC"}
TABLES = (
    "staging.stg_shop__orders",
    "staging.rejected_rows",
    "intermediate.int_customer_days",
    "intermediate.int_scorecard_cuts",
    "intermediate.int_regimes",
    "intermediate.int_timeline_intervals",
    "intermediate.int_segment_flows",
    "intermediate.int_segment_ends",
    "intermediate.int_period_moves",
    "intermediate.int_segment_months",
    "intermediate.int_customers_current",
    "marts.customer_timeline",
    "marts.customers",
    "marts.segment_transitions",
    "marts.segment_daily_metrics",
    "marts.segment_movement",
    "marts.segment_migrations",
    "marts.segment_profiles",
    "marts.segment_performance",
    "marts.segment_definitions",
    "marts.regimes",
    "marts.scorecards",
    "marts.definition_log",
)
INVOCATION_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CHANGES = (
    *("amount", "amount", "cost", "status", "delete", "move", "move", "redate", "erase"),
    *("refund", "refund", "merge", "unmerge", "retarget", "rules", "lifecycle", "fixed"),
)


@dataclass(frozen=True)
class Night:
    """What a run finds, and how it goes."""

    world: World  # as_of is the newest day ever asked for
    requested: date
    dies_after: float | None = None  # the share of the models that are built before the run dies
    story: str = ""


class Shop:
    """The state of a shop between two nights; every change is drawn from a seed."""

    def __init__(self, seed: int, settings: dict[str, Any]) -> None:
        self.draw = random.Random(seed)
        self.settings = settings
        self.told = random_world(seed)
        self.merges = list(self.told.merges)
        self.refunds = list(self.told.refunds)
        self.rules = self.told.segment_rules
        self.lifecycle = self.told.lifecycle_stages
        self.fixed = self.told.fixed_score_cuts
        self.people = sorted({order.customer_id for order in self.told.orders})
        self.waiting = {
            order.order_id: (order, order.ordered_at + timedelta(days=self._delay()))
            for order in self.told.orders
        }
        self.orders: dict[str, Order] = {}
        first = min(order.ordered_at for order in self.told.orders)
        self.as_of = first + (self.told.as_of - first) * 2 // 3

    def _delay(self) -> int:
        return self.draw.choice((0, 0, 0, -20, 1, 3, 45))

    def deliver(self) -> None:
        """Take in what arrives by the as-of date."""
        for name, (order, day) in list(self.waiting.items()):
            if day <= self.as_of:
                self.orders[name] = order
                del self.waiting[name]

    def change(self, what: str) -> None:
        """Change one thing, if there is one to change."""
        if not self.orders:
            return
        order = self.orders[self.draw.choice(sorted(self.orders))]
        if what in ("rules", "lifecycle", "fixed"):
            self._change_rules(what)
        elif what == "refund":
            self._change_refunds(order)
        elif what in ("merge", "unmerge", "retarget"):
            self._change_merges(what, order.customer_id)
        elif what == "erase":
            rest = self.orders.items()
            self.orders = {k: o for k, o in rest if o.customer_id != order.customer_id}
        elif what == "delete":
            del self.orders[order.order_id]
        else:
            self.orders[order.order_id] = self._changed(order, what)

    def _changed(self, order: Order, what: str) -> Order:
        draw = self.draw
        changes: dict[str, dict[str, Any]] = {
            "amount": {"amount": order.amount + draw.choice((Decimal("0.01"), Decimal(100)))},
            "cost": {"cost": order.cost + draw.choice((Decimal("0.01"), Decimal(30)))},
            "status": {"status": draw.choice(("completed", "cancelled", "refunded"))},
            "move": {"customer_id": draw.choice([*self.people, "stranger"])},
            "redate": {"ordered_at": order.ordered_at + timedelta(days=draw.randint(-40, 40))},
        }
        return replace(order, **changes[what])

    def _change_rules(self, what: str) -> None:
        draw = self.draw
        day = (self.as_of - timedelta(days=draw.randint(-3, 90))).isoformat()
        if what == "rules":
            later = [row | {"valid_from": day} for row in SECOND_RULES]
            self.rules = draw.choice((FIRST_RULES, SECOND_RULES, FIRST_RULES + later))
        elif what == "lifecycle":
            short = stages(new=7, at_risk=20, dormant=40, lost=60, back=10)
            self.lifecycle = draw.choice((stages(), short))
        else:
            self.fixed = draw.choice(
                (cuts(), cuts((3, 10, 20, 40), (1, 2, 4, 8), (20, 50, 60, 90)))
            )

    def _change_refunds(self, order: Order) -> None:
        draw = self.draw
        day = order.ordered_at + timedelta(days=draw.choice((0, 10, 60)))
        refund = Refund(f"late-{order.order_id}", order.order_id, day, Decimal("0.0003"))
        kept = [one for one in self.refunds if draw.random() < 0.7]
        self.refunds = [one for one in kept if one.refund_id != refund.refund_id]
        if day <= self.as_of and order.amount > 1:
            self.refunds.append(refund)

    def _change_merges(self, what: str, customer: str) -> None:
        draw = self.draw
        merged = {merge.customer_id for merge in self.merges}
        if what == "merge" and customer in self.people and customer not in merged:
            # Towards later names only, so that there are no cycles; nobody else knows `zz`.
            later = [*self.people[self.people.index(customer) + 1 :], "zz"]
            day = self.as_of - timedelta(days=draw.randint(-5, 100))
            self.merges.append(Merge(customer, draw.choice(later), draw.choice((day, day, None))))
        elif what != "merge" and self.merges:
            chosen = draw.choice(self.merges)
            self.merges.remove(chosen)
            if what == "retarget":
                self.merges.append(replace(chosen, merged_into="zz"))

    def remember(self) -> dict[str, Any]:
        """Copy what can change, to come back to it."""
        return {
            "orders": dict(self.orders),
            "refunds": list(self.refunds),
            "merges": list(self.merges),
            "rules": self.rules,
            "lifecycle": self.lifecycle,
            "fixed": self.fixed,
        }

    def world(self) -> World:
        """Return what is delivered tonight."""
        last = self.as_of + timedelta(days=31)
        return World(
            orders=[order for order in self.orders.values() if order.ordered_at <= last],
            refunds=[refund for refund in self.refunds if refund.refund_date <= last],
            merges=list(self.merges),
            settings=self.settings,
            as_of=self.as_of,
            segment_rules=self.rules,
            lifecycle_stages=self.lifecycle,
            fixed_score_cuts=self.fixed,
        )


def shop(seed: int, settings: dict[str, Any], nights: int = 8) -> Iterator[Night]:
    """Tell the nights of a shop; after a run that died, things may be as they were before it."""
    one = Shop(seed, settings)
    draw = one.draw
    one.deliver()
    yield Night(one.world(), one.as_of, story="first")
    died: dict[str, Any] | None = None
    for _ in range(nights):
        requested = one.as_of + timedelta(days=draw.choice((0, 1, 1, 2, 5, 30, -10, -60)))
        one.as_of = max(one.as_of, requested)
        story = [f"as of {requested}"]
        if died is not None and draw.random() < 0.7:
            vars(one).update(died)
            story.append("undone")
        before = one.remember()
        one.deliver()
        for what in draw.choices(CHANGES, k=draw.choice((0, 1, 1, 2, 3))):
            one.change(what)
            story.append(what)
        dies_after = draw.random() if draw.random() < 0.35 else None
        died = before if dies_after is not None else None
        yield Night(one.world(), requested, dies_after, ", ".join(story))


class Nights:
    """Compiles first and later nights once for each set of settings, and runs them in memory."""

    def __init__(self, home: Path) -> None:
        (home / "first").mkdir()
        self.first = compiled.Compiler(home / "first")
        # A home in which everything is built, where dbt compiles what it runs on later nights.
        self.home = home / "later"
        self.home.mkdir()
        compiled.Compiler(self.home)
        self.is_built = False
        # What a model forgets is the one part of it that dbt does not compile.
        core = compiled.REPOSITORY / "dbt_project" / "macros" / "core"
        self.macros = "".join(path.read_text() for path in sorted(core.glob("forget_*.sql")))
        self.later = cache(self._later)

    def _dbt(self, *arguments: str) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LIFESTAGE_HOME", str(self.home))
            result = dbtRunner().invoke(
                [
                    *("--quiet", "--no-use-colors", *arguments),
                    *("--project-dir", str(compiled.REPOSITORY / "dbt_project")),
                    *("--profiles-dir", str(compiled.REPOSITORY / "profiles")),
                    *("--target-path", str(self.home / "target")),
                    *("--log-path", str(self.home / "logs")),
                ]
            )
        assert result.success, result.exception
        return result.result

    def _later(self, settings: str) -> dict[str, tuple[list[str], set[str]]]:
        """Return the statements and the parents of every model on a later night."""
        if not self.is_built:
            today = settings.replace(compiled.AS_OF, "2025-01-01")
            tests = ("--exclude-resource-type", "unit_test", "--exclude-resource-type", "test")
            without = (
                "--exclude",
                "fqn:lifestage.quality",
                "fqn:lifestage.activation",
                "path:tests/activation",
            )
            self._dbt("build", *tests, *without, "--vars", today)
            self.is_built = True
        without = (
            "--exclude",
            "fqn:lifestage.quality",
            "fqn:lifestage.activation",
            "path:tests/activation",
        )
        nodes = compiled.compiled_models(self.home, settings, *without)
        names = {node.name: f"{node.schema}.{node.name}" for node in nodes.values()}
        found = {}
        for node in nodes.values():
            name, kind = names[node.name], node.config.materialized
            statements = [f"create or replace {kind} {name} as {node.compiled_code}"]
            if kind == "incremental":
                hooks = [self._rendered(hook.sql, name, names) for hook in node.config.pre_hook]
                statements = [*hooks, f"insert into {name} by name {node.compiled_code}"]
            parents = {names[nodes[one].name] for one in node.depends_on.nodes if one in nodes}
            found[name] = (statements, parents)
        return found

    def _rendered(self, hook: str, this: str, names: dict[str, str]) -> str:
        return jinja2.Template(self.macros + hook).render(
            is_incremental=lambda: True,
            this=this,
            ref=names.__getitem__,
            is_stored_with=lambda _: True,
            far_future=lambda: "date '9999-12-31'",
            forget_rows=lambda condition: f"delete from {this} where {condition}",
        )

    def full(self, night: Night) -> duckdb.DuckDBPyConnection:
        """Return a database that is built at once from what the night delivers."""
        connection = empty_database()
        load(connection, night.world)
        for name, statement in self.first.statements(settings_text(night.world.settings)):
            today = statement.replace(compiled.AS_OF, night.world.as_of.isoformat())
            try:
                connection.execute(today).fetchall()
            except duckdb.Error as error:
                raise AssertionError(f"{name}: {error}") from error
        return connection

    def run(self, connection: duckdb.DuckDBPyConnection, night: Night, draw: random.Random) -> None:
        """Run a later night, in one of the orders in which dbt may build the models."""
        for schema in ("raw", "rules"):
            connection.execute(f"drop schema {schema} cascade")
            connection.execute(f"create schema {schema}")
        load(connection, night.world)
        left = dict(self.later(settings_text(night.world.settings)))
        run_id = str(draw.random())
        share = 1 if night.dies_after is None else night.dies_after
        for _ in range(int(share * len(left))):
            ready = sorted(name for name, (_, parents) in left.items() if not parents & left.keys())
            name = draw.choice(ready)
            connection.execute("begin")
            for statement in left.pop(name)[0]:
                today = statement.replace(compiled.AS_OF, night.requested.isoformat())
                try:
                    connection.execute(INVOCATION_ID.sub(run_id, today)).fetchall()
                except duckdb.Error as error:
                    raise AssertionError(f"{name}: {error}") from error
            connection.execute("commit")


@cache
def shared_nights() -> Nights:
    """Compile once for all test modules of a session."""
    home = Path(tempfile.mkdtemp(prefix="nights-"))
    atexit.register(shutil.rmtree, home)
    return Nights(home)


def settings_text(settings: dict[str, Any]) -> str:
    """Return dbt vars, with all inputs unless the settings name some; each run fills in its day."""
    return json.dumps(
        {"inputs": dict.fromkeys(compiled.INPUT_TABLES, READING)}
        | settings
        | {"as_of_date": compiled.AS_OF},
        sort_keys=True,
    )


def empty_database(threads: int = 1) -> duckdb.DuckDBPyConnection:
    """Open a database in memory with the schemas of a warehouse."""
    connection = duckdb.connect(config={"threads": threads})
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("attach ':memory:' as warehouse")
    connection.execute("use warehouse")
    for schema in ("raw", "rules", "staging", "intermediate", "marts", "quality"):
        connection.execute(f"create schema {schema}")
    return connection


def load(connection: duckdb.DuckDBPyConnection, world: World) -> None:
    """Fill the empty schemas of the inputs and the rules."""
    compiled._load_inputs(connection, world)
    compiled._load_rules(connection, world)


def differences(one: duckdb.DuckDBPyConnection, other: duckdb.DuckDBPyConnection) -> list[str]:
    """Name the tables that do not hold the same rows."""
    return [table for table in TABLES if rows_of(one, table) != rows_of(other, table)]


def rows_of(connection: duckdb.DuckDBPyConnection, table: str) -> list[tuple[Any, ...]]:
    return connection.execute(f"select * from {table} order by all").fetchall()
