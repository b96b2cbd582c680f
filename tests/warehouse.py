"""Helpers that build the warehouse of a test in a folder of its own: load feeds, run dbt, ask."""

import json
import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Self

import duckdb
import psycopg
import yaml
from dbt.cli.main import dbtRunner

from orchestration.config import Config, parse_config
from orchestration.dbt_vars import dbt_vars
from orchestration.feeds import LoadReport, load_feeds
from orchestration.settings import Server, Settings
from orchestration.warehouse import DuckdbSession, Session, open_warehouse, quoted

REPOSITORY = Path(__file__).parents[1]
EVERYTHING = 100_000
STAGING = ("staging", "order_statuses", "currencies", "consent_requirements")


class Warehouse:
    """A project folder with its own `.lifestage`, in which files are put and models are built.

    Statements and queries are written in DuckDB's words on every engine. Models are built on
    DuckDB alone.
    """

    def __init__(self, root: Path, server: Server | None = None) -> None:
        self.root = root
        self.settings = Settings(
            root,
            root / "lifestage.yml",
            root / ".lifestage",
            target="duckdb" if server is None else "postgres",
            server=server or Server(),
        )
        self.settings.home.mkdir(parents=True, exist_ok=True)

    @classmethod
    def on_postgres(cls, root: Path, host: Path) -> Self:
        """A project whose tables lie in a new database of a server."""
        name = f"warehouse_{secrets.token_hex(4)}"
        with psycopg.connect(f"host={host} user=postgres", autocommit=True) as owner:
            owner.execute(f"create database {name}".encode())
        return cls(root, Server(str(host), 5432, "postgres", database=name))

    def put(self, name: str, content: str | bytes) -> Path:
        """Write a file of the project folder."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def configure(self, text: str) -> Config:
        """Write and validate a configuration."""
        self.put("lifestage.yml", text)
        return parse_config(yaml.safe_load(text), self.root)

    def load(self, config: Config) -> LoadReport:
        """Run the loader."""
        return load_feeds(config, self.settings)

    def build(self, config: Config, as_of: date, *select: str) -> None:
        """Build models and their seeds with dbt; a failing model fails the test."""
        self.build_with(dbt_vars(config, as_of), *select)

    def build_with(self, variables: dict[str, Any], *select: str) -> None:
        """Build models with the given dbt vars."""
        before = os.environ.get("LIFESTAGE_HOME")
        os.environ["LIFESTAGE_HOME"] = str(self.settings.home)
        try:
            result = dbtRunner().invoke(
                [
                    *("--quiet", "--no-use-colors", "build", "--select", *(select or STAGING)),
                    *("--exclude-resource-type", "unit_test"),
                    *("--indirect-selection", "buildable"),
                    *("--vars", json.dumps(variables)),
                    *("--project-dir", str(REPOSITORY / "dbt_project")),
                    *("--profiles-dir", str(REPOSITORY / "profiles")),
                    *("--target-path", str(self.settings.home / "target")),
                    *("--log-path", str(self.settings.home / "logs")),
                ]
            )
        finally:
            if before is None:
                del os.environ["LIFESTAGE_HOME"]
            else:
                os.environ["LIFESTAGE_HOME"] = before
        assert result.success, _failures(result)

    def execute(self, *statements: str) -> None:
        """Run statements on the private database."""
        with self._session() as session:
            for statement in statements:
                session.run(statement)

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of a query, each as a mapping of column to value."""
        with self._session() as session:
            return session.fetch_records(query, cap=EVERYTHING)

    @contextmanager
    def _session(self) -> Generator[Session]:
        if self.settings.target != "duckdb":
            with open_warehouse(self.settings, read_only=False) as session:
                yield session
            return
        # Without settings, as dbt may have the same file open in this process.
        with duckdb.connect(str(self.settings.warehouse_path)) as connection:
            connection.execute("set TimeZone = 'UTC'").fetchall()
            yield DuckdbSession(connection)

    def naming(self, texts: list[str]) -> list[tuple[str, str]]:
        """Name the tables in which a text stands, each with the text."""
        found = []
        with self._session() as session:
            for schema, table in sorted(session.relations(session.database)):
                columns = [name for name, _, _ in session.columns(session.database, schema, table)]
                if schema in {"information_schema", "pg_catalog"} or not columns:
                    continue
                row = " || ' ' || ".join(
                    f"coalesce(cast({quoted(column)} as varchar), '')" for column in columns
                )
                stands = f"select count(*) from {schema}.{quoted(table)} where strpos({row}, ?) > 0"
                found += [(table, text) for text in texts if session.fetch(stands, [text])[0][0]]
        return found


def _failures(result: Any) -> str:
    if result.exception is not None:
        return str(result.exception)
    failed = [run for run in result.result if run.status in ("error", "fail")]
    return "\n".join(f"{run.node.unique_id}: {run.message}" for run in failed)
