"""The unit tests that stand beside the models, run once per engine, on parents that are empty."""

from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dbt.cli.main import dbtRunner

from tests.engines import postgres_server, spark_cluster
from tests.warehouse import REPOSITORY


@pytest.fixture(params=["duckdb", "postgres", pytest.param("spark", marks=pytest.mark.large)])
def home(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Generator[Path]:
    """A warehouse of tables with columns and no rows, which is all that a unit test asks for."""
    monkeypatch.setenv("LIFESTAGE_HOME", str(tmp_path))
    monkeypatch.setenv("LIFESTAGE_TARGET", request.param)
    # It would stand above the days that tests set.
    monkeypatch.delenv("LIFESTAGE_AS_OF", raising=False)
    with ExitStack() as servers:
        if request.param == "postgres":
            host = str(servers.enter_context(postgres_server()))
            login = f"host={host} user=postgres dbname=postgres"
            with psycopg.connect(login, autocommit=True) as connection:
                connection.execute("create database warehouse")
            monkeypatch.setenv("LIFESTAGE_POSTGRES_HOST", host)
            monkeypatch.setenv("LIFESTAGE_POSTGRES_USER", "postgres")
        elif request.param == "spark":
            cluster = servers.enter_context(spark_cluster())
            monkeypatch.setenv("LIFESTAGE_SPARK_HOST", "127.0.0.1")
            monkeypatch.setenv("LIFESTAGE_SPARK_PORT", str(cluster.port))
        parents = ("--resource-type", "seed", "model", "--exclude", "quality")
        built = run_dbt(tmp_path, "build", "--empty", *parents)
        assert built.success, problems(built)
        yield tmp_path


def test_models_pass_their_unit_tests(home: Path) -> None:
    tested = run_dbt(home, "test", "--select", "test_type:unit")

    assert tested.success, problems(tested)


def run_dbt(home: Path, *arguments: str) -> Any:
    """Run dbt in this process, with everything it writes under the given folder."""
    return dbtRunner().invoke(
        [
            *("--quiet", "--no-use-colors", *arguments),
            *("--project-dir", str(REPOSITORY / "dbt_project")),
            *("--profiles-dir", str(REPOSITORY / "profiles")),
            *("--target-path", str(home / "target")),
            *("--log-path", str(home / "logs")),
        ]
    )


def problems(result: Any) -> str:
    """List what failed, each with the difference that dbt found."""
    if result.exception is not None:
        return str(result.exception)
    failed = [run for run in result.result if run.status not in ("success", "pass")]
    return "\n".join(f"{run.node.name}: {run.message}" for run in failed)
