"""The models on engines that no machine here runs: their SQL parses in each dialect.

sqlglot reads what dbt compiles for DuckDB and writes it for the other engine; what it cannot say
there is an error. It is no proof that the engine takes it, and docs/engines.md says so.
"""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel

from tests.compiled import Compiler, compiled_models, variables
from tests.worlds import world


@cache
def statements() -> dict[str, str]:
    """Return the compiled query of every model."""
    with tempfile.TemporaryDirectory() as folder:
        Compiler(Path(folder), with_quality=True, with_activation=True)
        settings = json.dumps(variables(world(0)), sort_keys=True)
        nodes = compiled_models(Path(folder), settings)
    return {node.name: node.compiled_code for node in nodes.values()}


def say_as_bigquery(query: exp.Expr) -> None:
    """Leave out what BigQuery does anyway or knows no words for.

    It replaces all matches without being told, and some of its windows cannot say where NULL goes.
    That parses without the words, and orders rows with NULL otherwise than the models mean.
    """
    for one in query.find_all(exp.Ordered):
        one.set("nulls_first", not one.args.get("desc"))
    for one in query.find_all(exp.RegexpReplace):
        one.set("modifiers", None)


@pytest.mark.parametrize("dialect", ["snowflake", "bigquery", "databricks"])
def test_models_can_be_said_in_other_dialects(dialect: str) -> None:
    troubles = {}
    for name, statement in statements().items():
        try:
            query = sqlglot.parse_one(statement, read="duckdb")
            if dialect == "bigquery":
                say_as_bigquery(query)
            written = query.sql(dialect, unsupported_level=ErrorLevel.RAISE)
            sqlglot.parse_one(written, read=dialect)
        except sqlglot.errors.SqlglotError as error:
            troubles[name] = str(error).splitlines()[0]
    assert len(statements()) > 140
    assert troubles == {}
