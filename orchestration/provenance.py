"""What the tables were made from: the inputs as they stand, the code and rules, the run.

A verdict is about one such origin. What follows from a difference is decided by
`orchestration.gate`.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.check_tables import SCHEMA, add_rows, make_tables
from orchestration.overlay import DBT_PROJECT_DIR, rules_dir
from orchestration.warehouse import (
    quoted,
    transaction,
)

if TYPE_CHECKING:
    from datetime import date

    from orchestration.config import Config
    from orchestration.settings import Settings
    from orchestration.warehouse import Session

FINGERPRINTS = ("quality", "quality_input_fingerprints")
RUN_BEGUN = ("intermediate", "int_run_begun")
RUN_APPLIED = ("intermediate", "int_run_applied")
AS_OF_APPLIED = ("intermediate", "int_as_of_applied")
# The checks themselves: what judges is as much a part of a verdict as what was judged.
CODE = (
    *("measures", "quality.py", "input_columns.py"),
    *("gate.py", "provenance.py", "check_tables.py"),
)
AGAIN = "run `lifestage refresh`"


class OriginError(Exception):
    """Tables of which nobody knows what they were made from; one line with the remedy."""


def input_hash(session: Session, database: str) -> str:
    """Hash what came in, as it stands now.

    Raises:
        OriginError: The tables were never built.
    """
    if FINGERPRINTS not in session.relations(database):
        raise OriginError(f"the inputs have no fingerprints yet: {AGAIN}")
    rows = session.fetch(
        "select source, row_count, cast(fingerprint as varchar)"
        f" from {_relation(database, FINGERPRINTS)} order by source"
    )
    if not rows:
        raise OriginError(f"the inputs have no fingerprints: {AGAIN}")
    return hash_of(rows)


def code_hash(settings: Settings, config: Config) -> str:
    """Hash everything besides the inputs that tables and results depend on.

    The paths are those inside the project, so that the place of the installation does not count.
    How results are published and sent does not count either.
    """
    rules = rules_dir(settings, config)
    package = Path(__file__).parent
    files = [(DBT_PROJECT_DIR, DBT_PROJECT_DIR / "dbt_project.yml")]
    for folder in ("models", "macros", "tests"):
        files += [(DBT_PROJECT_DIR, path) for path in (DBT_PROJECT_DIR / folder).rglob("*")]
    files += [(rules, path) for path in rules.rglob("*")]
    for name in CODE:
        place = package / name
        files += [(package, path) for path in (place, *place.rglob("*.py"))]
    content = sorted(
        (path.relative_to(root).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest())
        for root, path in files
        if path.is_file()
    )
    return hash_of([config.model_dump(mode="json", exclude={"publication", "activation"}), content])


def mark_built(session: Session, code: str) -> None:
    """Note what the tables were made from, right after dbt has built them.

    Without this a verdict could be given on old tables under new rules or inputs.

    Args:
        session: The warehouse, open for writing.
        code: `code_hash` from before dbt was started.

    Raises:
        OriginError: The run that built the tables did not reach its end.
    """
    database = session.database
    row = {
        "run_id": run_of_tables(session, database),
        "input_hash": input_hash(session, database),
        "code_hash": code,
    }
    with transaction(session):
        make_tables(session)
        session.run(f"delete from {SCHEMA}.built_from")
        add_rows(session, "built_from", [row])


def run_of_tables(session: Session, database: str) -> str:
    """Name the run that built the tables.

    Raises:
        OriginError: There was none, or the last one broke.
    """
    there = session.relations(database)
    if RUN_BEGUN not in there or RUN_APPLIED not in there:
        raise OriginError(f"the tables were never built to the end: {AGAIN}")
    begun, applied = (
        session.fetch(f"select run_id from {_relation(database, name)}")
        for name in (RUN_BEGUN, RUN_APPLIED)
    )
    if len(begun) != 1 or begun != applied or begun[0][0] is None:
        raise OriginError(f"the last run did not reach its end, the tables are mixed: {AGAIN}")
    return begun[0][0]


def day_of_tables(session: Session, database: str) -> date:
    """Tell the as-of date that the tables have reached.

    Raises:
        OriginError: They have reached none.
    """
    if AS_OF_APPLIED not in session.relations(database):
        raise OriginError(f"the tables were never built to the end: {AGAIN}")
    rows = session.fetch(f"select max(as_of_date) from {_relation(database, AS_OF_APPLIED)}")
    if rows[0][0] is None:
        raise OriginError(f"the tables have no as-of date: {AGAIN}")
    return rows[0][0]


def hash_of(content: Any) -> str:
    """Hash a value that JSON knows."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _relation(database: str, name: tuple[str, str]) -> str:
    return f"{quoted(database)}.{quoted(name[0])}.{quoted(name[1])}"
