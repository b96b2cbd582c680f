"""Fixtures that several test modules share: one installation with the sample shop, built once."""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import pytest

from orchestration.config import Config, load_config
from orchestration.settings import Settings
from tests.engines import postgres_server
from tests.warehouse import Warehouse

REPOSITORY = Path(__file__).parents[1]
# A worker that comes to one of these last works on alone while the others are done.
LONGEST = (
    *("test_whole_nights", "test_parity"),
    *("test_faults", "test_nightly", "test_incremental", "test_exactness", "test_erasure"),
    *("test_activation", "test_audience_events", "test_audience_worlds", "test_invariance"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules that take longest."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@dataclass(frozen=True)
class Installation:
    """A project folder of its own with its state, and the command line on it.

    Attributes:
        root: The folder.
        engine: Variables that lead to another engine than DuckDB.
    """

    root: Path
    engine: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "LIFESTAGE_CONFIG": str(self.root / "lifestage.yml"),
            "LIFESTAGE_HOME": str(self.root / ".lifestage"),
            "DAGSTER_HOME": str(self.root / "dagster"),
            "COLUMNS": "200",
            **self.engine,
        }

    def copy(self, root: Path) -> Self:
        """Copy the whole installation with its state to another folder."""
        shutil.copytree(self.root, root, symlinks=True)
        settings = root / "dagster" / "dagster.yaml"
        settings.write_text(settings.read_text().replace(str(self.root), str(root)))
        return replace(self, root=root)

    @property
    def settings(self) -> Settings:
        return Settings(
            project_root=self.root,
            config_path=self.root / "lifestage.yml",
            home=self.root / ".lifestage",
        )

    @property
    def config(self) -> Config:
        return load_config(self.root / "lifestage.yml")

    def lifestage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line in a process of its own, without a terminal."""
        return subprocess.run(
            [Path(sys.executable).parent / "lifestage", *arguments],
            env=self.environment,
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
        )


def make_installation(root: Path, engine: Mapping[str, str] | None = None) -> Installation:
    """Lay out a project folder with the sample shop as it ships."""
    (root / "dagster").mkdir(parents=True)
    (root / "seeds" / "sample").mkdir(parents=True)
    shutil.copy(REPOSITORY / "lifestage.yml", root)
    for path in (REPOSITORY / "seeds" / "sample").glob("raw_*.csv"):
        shutil.copy(path, root / "seeds" / "sample")
    text = (REPOSITORY / "dagster.yaml").read_text()
    (root / "dagster" / "dagster.yaml").write_text(text.replace(".dagster", str(root / "dagster")))
    return Installation(root, engine or {})


@pytest.fixture(scope="session")
def sample_shop(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The sample shop after its first refresh; tests that change it change a copy."""
    shop = make_installation(tmp_path_factory.mktemp("shop"))
    done = shop.lifestage("refresh")
    assert done.returncode == 0, done.stderr
    return shop


@pytest.fixture(scope="session")
def postgres_host() -> Generator[Path]:
    """The folder of the socket of a PostgreSQL server for all tests that bring their database."""
    with postgres_server() as host:
        yield host


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    """An empty warehouse on each of two engines."""
    if request.param == "duckdb":
        return Warehouse(tmp_path)
    return Warehouse.on_postgres(tmp_path, request.getfixturevalue("postgres_host"))
