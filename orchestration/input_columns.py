"""Which columns came in, held against the contract and against what was published last.

The loader and the staging models refuse what they cannot read at all. Here it is noticed that a
column of the last published night is gone, that one came that nobody knows, or that one has
another kind of values. What follows from a problem is decided by `orchestration.measures`.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from orchestration.check_tables import SCHEMA, add_rows, make_tables
from orchestration.contract import INPUTS, META_COLUMNS, Kind, column_names
from orchestration.feeds import LOADS_TABLE
from orchestration.warehouse import (
    quoted,
    transaction,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestration.config import Config
    from orchestration.warehouse import Session

Columns: TypeAlias = "Mapping[str, Mapping[str, str]]"
Family: TypeAlias = Literal["text", "number", "time", "float", "other"]

KNOWN = "known_columns"
TEXT = "VARCHAR"
# Text is parsed, so it may stand for everything; a float has lost its exact value.
READABLE: dict[Kind, tuple[Family, ...]] = {
    "id": ("text", "number"),
    "text": ("text", "number", "other"),
    "number": ("text", "number"),
    "time": ("text", "time"),
}


def columns_now(session: Session, config: Config) -> dict[str, dict[str, str]]:
    """Name the columns that each input has now, with their types.

    Args:
        session: The warehouse.
        config: Says which inputs are files and which are tables.

    Returns:
        By input: column name to type. Columns of files are text.
    """
    found: dict[str, dict[str, str]] = {
        name: _of_feed(session, config.raw_schema, name) for name in config.feeds
    }
    database = session.database
    for name in config.tables:
        columns = session.columns(database, config.raw_schema, name)
        found[name] = {column: kind for column, kind, _ in columns}
    return found


def known_columns(session: Session) -> dict[str, dict[str, str]]:
    """Name the columns that each input had when it was last published."""
    make_tables(session)
    known: dict[str, dict[str, str]] = {}
    for source, column, kind in session.fetch(
        f"select source, column_name, kind from {SCHEMA}.{KNOWN} order by source, column_name"
    ):
        known.setdefault(source, {})[column] = kind
    return known


def remember_columns(session: Session, now: Columns) -> None:
    """Note that what was published was made from these columns."""
    rows = [
        {"source": source, "column_name": column, "kind": kind}
        for source, columns in sorted(now.items())
        for column, kind in sorted(columns.items())
    ]
    with transaction(session):
        make_tables(session)
        session.run(f"delete from {SCHEMA}.{KNOWN}")
        add_rows(session, KNOWN, rows)


def schema_problems(now: Columns, known: Columns, config: Config) -> list[dict[str, Any]]:
    """Find what is wrong with the columns that came in.

    Args:
        now: What came in.
        known: What was published last; an input that is not there is judged by the contract alone.
        config: Its constants stand for columns of a file.

    Returns:
        Records of source, column_name, problem (extra, missing, retyped), expected and found,
        ordered by source and column.
    """
    problems = []
    for source, columns in now.items():
        constants = config.feeds[source].constants if source in config.feeds else {}
        before = known.get(source, {})
        problems += _extra(source, columns, before)
        problems += _missing(source, {*columns, *constants}, before)
        problems += _retyped(source, columns)
    return sorted(problems, key=lambda one: (one["source"], one["column_name"], one["problem"]))


def _of_feed(session: Session, schema: str, name: str) -> dict[str, str]:
    rows = session.fetch(
        f"select columns, ignored_columns from {quoted(schema)}.{quoted(LOADS_TABLE)}"
        " where feed = ?",
        [name],
    )
    found: set[str] = set()
    for columns, ignored in rows:
        found |= set(columns.split(",")) | {_shown(name) for name in json.loads(ignored or "[]")}
    return dict.fromkeys(sorted(found - {""}), TEXT)


def _extra(source: str, columns: Iterable[str], before: Mapping[str, str]) -> list[dict[str, Any]]:
    """Columns that are new; which ones nobody reads is known from the first night on."""
    own = {*column_names(source), *(name for name, _ in META_COLUMNS)}
    new = set(columns) - set(before) - own if before else set()
    return [_problem(source, name, "extra", "not there", "there") for name in new]


def _missing(source: str, there: set[str], before: Mapping[str, str]) -> list[dict[str, Any]]:
    """Columns of the contract that are required, or that were there before."""
    wanted = {column.name for column in INPUTS[source] if column.required}
    wanted |= set(before) & set(column_names(source))
    return [_problem(source, name, "missing", "there", "not there") for name in wanted - there]


def _retyped(source: str, columns: Mapping[str, str]) -> list[dict[str, Any]]:
    """Columns of the contract whose type cannot hold their values."""
    return [
        _problem(source, column.name, "retyped", column.kind, columns[column.name])
        for column in INPUTS[source]
        if column.name in columns and _family(columns[column.name]) not in READABLE[column.kind]
    ]


def _problem(source: str, name: str, problem: str, expected: str, found: str) -> dict[str, Any]:
    return {
        "source": source,
        "column_name": name,
        "problem": problem,
        "expected": expected,
        "found": found,
    }


def _family(kind: str) -> Family:
    if kind.startswith(("VARCHAR", "TEXT", "CHAR")):
        return "text"
    if kind.startswith(("DECIMAL", "NUMERIC")) or re.fullmatch(r"U?\w*INT(EGER)?", kind):
        return "number"
    if kind.startswith(("DATE", "TIMESTAMP")):
        return "time"
    return "float" if kind in {"DOUBLE", "FLOAT", "REAL"} else "other"


def _shown(name: str) -> str:
    """Cut a column name of a foreign file to something that fits a line."""
    return re.sub(r"[^\w .-]", "?", name)[:60]
