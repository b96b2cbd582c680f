"""Helpers that build the warehouse of a test in a folder of its own: load feeds, run dbt, ask."""

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import yaml
from dbt.cli.main import dbtRunner

from orchestration.config import Config, parse_config
from orchestration.dbt_vars import dbt_vars
from orchestration.feeds import LoadReport, load_feeds
from orchestration.settings import Settings

REPOSITORY = Path(__file__).parents[1]
STAGING = ("staging", "order_statuses", "currencies", "consent_requirements")


class Warehouse:
    """A project folder with its own `.lifestage`, in which files are put and models are built."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings = Settings(root, root / "lifestage.yml", root / ".lifestage")
        self.settings.home.mkdir(parents=True, exist_ok=True)

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
        with duckdb.connect(str(self.settings.warehouse_path)) as connection:
            for statement in statements:
                connection.execute(statement).fetchall()

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of a query, each as a mapping of column to value."""
        with duckdb.connect(str(self.settings.warehouse_path)) as connection:
            connection.execute("set TimeZone = 'UTC'").fetchall()
            result = connection.execute(query)
            names = [column[0] for column in result.description or ()]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _failures(result: Any) -> str:
    if result.exception is not None:
        return str(result.exception)
    failed = [run for run in result.result if run.status in ("error", "fail")]
    return "\n".join(f"{run.node.unique_id}: {run.message}" for run in failed)
