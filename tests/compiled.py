"""Run the models on many small worlds at the price of a few milliseconds each.

dbt compiles the project once for each set of settings; the compiled statements then run, in the
order of the graph, on an in-memory database that holds a world. Incremental runs need dbt itself
and are tested with it elsewhere.
"""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from dbt.cli.main import dbtRunner

if TYPE_CHECKING:
    from tests.worlds import World

REPOSITORY = Path(__file__).parents[1]
RULES = REPOSITORY / "seeds" / "rules"
AS_OF = "2222-02-22"  # stands for the as-of date in compiled statements
INPUT_TABLES = {
    "orders": "order_id varchar, customer_id varchar, ordered_at date, amount decimal(18, 4), "
    "status varchar, refunded_amount decimal(18, 4), cost decimal(18, 4), channel varchar, "
    "items integer",
    "refunds": "refund_id varchar, order_id varchar, refunded_at date, amount decimal(18, 4)",
    "customer_merges": "customer_id varchar, merged_into varchar, merged_at date",
}
# What a world may hold of people, in the order of their columns.
PEOPLE_TABLES = {
    "customers": "customer_id varchar, email varchar, birth_date date, gender varchar, "
    "created_at date, phone varchar, country varchar, consent_email boolean, consent_ads boolean",
    "consents": "customer_id varchar, purpose varchar, channel varchar, status varchar, "
    "given_at date, expires_at date",
    "suppressions": "type varchar, value varchar, purpose varchar, added_at date",
    "campaigns": "campaign_id varchar, audience varchar, started_on date, ended_on date, "
    "cost decimal(18, 4)",
    "contacts": "customer_id varchar, channel varchar, campaign_id varchar, contacted_at date",
    "responses": "customer_id varchar, campaign_id varchar, channel varchar, kind varchar, "
    "responded_at date",
}
ORDER_COLUMNS = (
    *("order_id", "customer_id", "ordered_at", "amount", "status", "refunded_amount", "cost"),
    *("channel", "items"),
)
RULE_TABLES = {
    "segment_rules": "preset varchar, valid_from date, priority integer, segment varchar, "
    "r_min integer, r_max integer, f_min integer, f_max integer, m_min integer, m_max integer",
    "lifecycle_stages": "valid_from date, stage varchar, clock varchar, from_day integer, "
    "to_day integer, after_gap_days integer, rank integer, label varchar, description varchar, "
    "purpose varchar, action varchar, channel varchar, objective varchar, "
    "objective_metric varchar, objective_target varchar, reviewed_on date",
    "fixed_score_cuts": "valid_from date, metric varchar, cut integer, value decimal(18, 4)",
}
ACTIVATION_RULES = (
    *("audiences", "destinations", "consent_requirements", "contact_caps", "holdouts"),
    *("activation_limits", "age_bands"),
)
SEED_TYPES = {
    **dict.fromkeys(("rank", "priority", "within_days", "archive_after_days"), "integer"),
    **dict.fromkeys(("min_orders", "max_orders", "minimum_size", "youngest"), "integer"),
    **dict.fromkeys(("min_silence_days", "max_silence_days", "days", "max_contacts"), "integer"),
    **dict.fromkeys(("share", "max_removed_share", "max_added_share"), "double"),
    "value": "double",
    "min_monetary": "decimal(18, 4)",
    "reviewed_on": "date",
}


# What dbt parsed for some settings; it serves others as well, if they lead to no other relations.
_PARSED: list[Any] = []


def compiled_models(home: Path, settings: str, *excluded: str) -> dict[str, Any]:
    """Compile the models for some settings with dbt.

    Args:
        home: The folder of the warehouse, whose state the models may ask for.
        settings: The dbt vars.
        excluded: Arguments that leave models out.

    Returns:
        The nodes of the models by their ids.
    """
    places = [
        *("--vars", settings),
        *("--project-dir", str(REPOSITORY / "dbt_project")),
        *("--profiles-dir", str(REPOSITORY / "profiles")),
        *("--target-path", str(home / "target")),
        *("--log-path", str(home / "logs")),
    ]
    args = ["--quiet", "--no-use-colors", "compile", "--select", "resource_type:model"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIFESTAGE_HOME", str(home))
        # dbt refuses a relation that it did not see while parsing.
        tries = (dbtRunner(parsed).invoke([*args, *excluded, *places]) for parsed in _PARSED)
        result = next((one for one in tries if one.success), None)
        if result is None:
            parsed: Any = dbtRunner().invoke(["--quiet", "parse", *places])
            assert parsed.success, parsed.exception
            _PARSED.append(parsed.result)
            result = dbtRunner(parsed.result).invoke([*args, *excluded, *places])
    assert result.success, result.exception
    runs: list[Any] = list(result.result)  # ty: ignore[invalid-argument-type]
    return {run.node.unique_id: run.node for run in runs if run.node.resource_type == "model"}


class Compiler:
    """Compiles the project for one set of settings after another, in a folder of its own."""

    def __init__(
        self, home: Path, *, with_quality: bool = False, with_activation: bool = False
    ) -> None:
        self.home = home
        left_out = {"quality": not with_quality, "activation": not with_activation}
        self.excluded = [
            part
            for layer, is_left_out in left_out.items()
            if is_left_out
            for part in ("--exclude", f"fqn:lifestage.{layer}")
        ]
        with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
            connection.execute("create schema raw")
            for name, columns in (INPUT_TABLES | PEOPLE_TABLES).items():
                connection.execute(f"create table raw.{name} ({columns})")
        self.statements = cache(self._statements)

    def _statements(self, settings: str) -> tuple[tuple[str, str], ...]:
        """Return the statements of the models in an order in which each finds its parents."""
        nodes = compiled_models(self.home, settings, *self.excluded)
        ordered: dict[str, None] = {}

        def visit(unique_id: str) -> None:
            if unique_id in nodes and unique_id not in ordered:
                for parent in nodes[unique_id].depends_on.nodes:
                    visit(parent)
                ordered[unique_id] = None

        for unique_id in sorted(nodes):
            visit(unique_id)
        return tuple(
            (
                f"{nodes[one].schema}.{nodes[one].alias}",
                (
                    f"create {'view' if nodes[one].config.materialized == 'view' else 'table'} "
                    f"{nodes[one].schema}.{nodes[one].alias} as {nodes[one].compiled_code}"
                ),
            )
            for one in ordered
        )

    def build(self, world: World, threads: int = 1) -> duckdb.DuckDBPyConnection:
        """Return a database in which the whole project was built on the world."""
        connection = duckdb.connect(config={"threads": threads})
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("attach ':memory:' as warehouse")
        connection.execute("use warehouse")
        for schema in (
            *("raw", "rules", "staging", "intermediate", "marts", "quality", "activation"),
        ):
            connection.execute(f"create schema {schema}")
        _load_inputs(connection, world)
        _load_rules(connection, world)
        for name, statement in self.statements(json.dumps(variables(world), sort_keys=True)):
            try:
                connection.execute(statement.replace(AS_OF, world.as_of.isoformat())).fetchall()
            except duckdb.Error as error:
                raise AssertionError(f"{name}: {error}") from error
        return connection


def variables(world: World) -> dict[str, Any]:
    """Return the dbt vars of a world; the as-of date is filled in when a statement runs."""
    inputs = ["orders", *(["refunds"] if world.refunds else [])]
    inputs += ["customer_merges"] if world.merges else []
    inputs += [name for name in PEOPLE_TABLES if name in world.people]
    described = {
        "relation": "raw",
        "text": False,
        "date_formats": [],
        "source_timezone": "UTC",
    }
    return world.settings | {
        "as_of_date": AS_OF,
        "future_order_days": 400,
        "inputs": dict.fromkeys(inputs, described),
    }


def _load_inputs(connection: duckdb.DuckDBPyConnection, world: World) -> None:
    for name, columns in INPUT_TABLES.items():
        connection.execute(f"create table raw.{name} ({columns})")
    _insert(
        connection,
        "raw.orders",
        [tuple(getattr(order, name) for name in ORDER_COLUMNS) for order in world.orders],
    )
    _insert(
        connection,
        "raw.refunds",
        [(r.refund_id, r.order_id, r.refund_date, r.amount) for r in world.refunds],
    )
    _insert(
        connection,
        "raw.customer_merges",
        [(m.customer_id, m.merged_into, m.merge_date) for m in world.merges],
    )
    for name, columns in PEOPLE_TABLES.items():
        connection.execute(f"create table raw.{name} ({columns})")
        # A world may leave out the last columns.
        width = columns.replace("(18, 4)", "").count(", ") + 1
        rows = [row + (None,) * (width - len(row)) for row in world.people.get(name, [])]
        _insert(connection, f"raw.{name}", rows)


def _load_rules(connection: duckdb.DuckDBPyConnection, world: World) -> None:
    for name, columns in RULE_TABLES.items():
        connection.execute(f"create table rules.{name} ({columns})")
        names = [column.split()[0] for column in columns.split(", ") if " " in column]
        names = [one for one in names if not one.endswith(")")]
        rows = getattr(world, name)
        if name == "lifecycle_stages":  # a world gives bounds; the texts are those that ship
            rows = [_shipped_stages()[row["stage"]] | row for row in rows]
        _insert(
            connection,
            f"rules.{name}",
            [tuple(row.get(column) or None for column in names) for row in rows],
        )
    shipped = ("order_statuses", "currencies", "segments", "forbidden_moves", *ACTIVATION_RULES)
    for name in shipped:
        with (RULES / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        columns = ", ".join(f"{one} {SEED_TYPES.get(one, 'varchar')}" for one in header)
        connection.execute(f"create table rules.{name} ({columns})")
        if name in world.rules:
            rows = [[row.get(column, "") for column in header] for row in world.rules[name]]
        _insert(connection, f"rules.{name}", [tuple(cell or None for cell in row) for row in rows])


@cache
def _shipped_stages() -> dict[str, dict[str, str]]:
    with (RULES / "lifecycle_stages.csv").open(newline="", encoding="utf-8") as file:
        return {row["stage"]: row for row in csv.DictReader(file)}


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        connection.executemany(f"insert into {table} values ({marks})", rows)
