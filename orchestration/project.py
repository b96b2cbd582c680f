"""Where dbt finds the project, the rules and the state of this installation.

Building what dbt describes is the business of `orchestration.defs.history`; how its resources
look in Dagster is in `orchestration.translator`.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from dagster_dbt import DbtProject

from orchestration.dbt_run import run_dbt
from orchestration.dbt_vars import dbt_vars
from orchestration.overlay import DBT_PROJECT_DIR, REPOSITORY, seeds_root
from orchestration.warehouse import only_writer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from datetime import date
    from pathlib import Path

    from orchestration.config import Config
    from orchestration.settings import Settings

PROFILES_DIR = REPOSITORY / "profiles"
# Read by the macro requested_day.
AS_OF_VARIABLE = "LIFESTAGE_AS_OF"
# Read by stg_shop__order_batches: other code may check the same orders otherwise.
CHECKED_BY_VARIABLE = "LIFESTAGE_CHECKED_BY"
CHECKING = ("macros", "models/staging")
PARSED = "partial_parse.msgpack"


class ProjectError(Exception):
    """The dbt project does not parse; what dbt said about it, in one line."""


def prepared_project(settings: Settings, config: Config) -> DbtProject:
    """Return the dbt project of an installation with a manifest that fits it.

    The paths that the dbt profile and project read go into the environment, because dbt is started
    from other directories. The manifest is made when it is missing or when the
    project, the rules or the configuration have changed since.
    """
    os.environ["LIFESTAGE_HOME"] = str(settings.home)
    # Relative: dbt would write the tests of an absolute folder next to the folder's own files.
    seeds = os.path.relpath(seeds_root(settings, config), DBT_PROJECT_DIR)
    os.environ["LIFESTAGE_SEEDS"] = seeds
    os.environ[CHECKED_BY_VARIABLE] = _digest_of(DBT_PROJECT_DIR, CHECKING)
    project = DbtProject(
        project_dir=DBT_PROJECT_DIR,
        profiles_dir=PROFILES_DIR,
        target_path=settings.home / "dbt",
        target=settings.target,
    )
    with only_writer(settings.home / "dbt"):
        _prepare_manifest(project, settings, config)
    return project


def run_target(settings: Settings) -> Path:
    """Where dbt leaves the artifacts and the log of a run: one place, so that nothing piles up."""
    return settings.home / "dbt" / "run"


def parsed_project(settings: Settings) -> Path:
    """Where dbt's own form of the parsed project is kept."""
    return settings.home / "dbt" / PARSED


def parsed_vars(config: Config) -> dict[str, Any]:
    """Return the dbt vars of every run: the day of a run is in its environment.

    The graph depends on which inputs exist and not on the day, so the project is parsed once.
    """
    return dbt_vars(config, config.as_of or config.history_start)


@contextmanager
def told_the_day(day: date) -> Generator[None]:
    """Name the day in the environment that a dbt starts with."""
    os.environ[AS_OF_VARIABLE] = day.isoformat()
    try:
        yield
    finally:
        del os.environ[AS_OF_VARIABLE]


def _prepare_manifest(project: DbtProject, settings: Settings, config: Config) -> None:
    variables = parsed_vars(config)
    engine = [settings.target, settings.server.database, *_versions(settings.target)]
    fingerprint = _fingerprint(seeds_root(settings, config), [*engine, variables])
    known = project.manifest_path.with_name("manifest.fingerprint")
    if project.manifest_path.exists() and known.exists() and known.read_text() == fingerprint:
        return
    work = project.manifest_path.parent / "parse"
    done = run_dbt(["--quiet", "parse", "--vars", json.dumps(variables)], project, work)
    if not done.succeeded:
        raise ProjectError(f"dbt cannot parse the project: {' '.join(done.said.split())}")
    known.unlink(missing_ok=True)
    (work / "manifest.json").replace(project.manifest_path)
    (work / PARSED).replace(parsed_project(settings))
    known.write_text(fingerprint)


def _versions(target: str) -> list[str]:
    """Name the versions of dbt, which does not read the form that another one keeps."""
    return [version("dbt-core"), version(f"dbt-{target}")]


def _fingerprint(seeds: Path, named: list[Any]) -> str:
    """Hash everything that the graph is made of."""
    digest = hashlib.sha256(json.dumps([str(seeds), *named]).encode())
    for path in (DBT_PROJECT_DIR / "dbt_project.yml", PROFILES_DIR / "profiles.yml"):
        digest.update(path.read_bytes())
    digest.update(_digest_of(DBT_PROJECT_DIR, ("models", "macros", "tests")).encode())
    digest.update(_digest_of(seeds).encode())
    return digest.hexdigest()


def _digest_of(root: Path, folders: Iterable[str] = (".",)) -> str:
    """Hash the files of folders, with their paths from the root on."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(path for path in (root / folder).rglob("*") if path.is_file()):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
