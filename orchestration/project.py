"""Where dbt finds the project, the rules and the state of this installation.

Building what dbt describes is the business of `orchestration.defs.history`; how its resources
look in Dagster is in `orchestration.translator`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_dbt import DbtCliResource, DbtProject

from orchestration.config import ConfigError
from orchestration.dbt_vars import dbt_vars
from orchestration.warehouse import only_writer

if TYPE_CHECKING:
    from orchestration.config import Config
    from orchestration.settings import Settings

REPOSITORY = Path(__file__).parents[1]
DBT_PROJECT_DIR = REPOSITORY / "dbt_project"
PROFILES_DIR = REPOSITORY / "profiles"
SEEDS_DIR = REPOSITORY / "seeds"
# Inside the project, because dbt cannot have seeds in a folder that is far away from it.
OVERLAYS_DIR = DBT_PROJECT_DIR / "target" / "overlays"
# Beside the interpreter, so that it is found without an activated environment.
DBT_EXECUTABLE = Path(sys.executable).parent / "dbt"


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
    project = DbtProject(
        project_dir=DBT_PROJECT_DIR,
        profiles_dir=PROFILES_DIR,
        target_path=settings.home / "dbt",
        target=settings.target,
    )
    with only_writer(settings.home / "dbt"):
        _prepare_manifest(project, settings, config)
    return project


def dbt_resource(project: DbtProject) -> DbtCliResource:
    """Return the resource that starts dbt."""
    return DbtCliResource(project_dir=project, dbt_executable=str(DBT_EXECUTABLE))


def run_target(settings: Settings) -> Path:
    """Where dbt leaves the artifacts and the log of a run: one place, so that nothing piles up."""
    return settings.home / "dbt" / "run"


def seeds_root(settings: Settings, config: Config) -> Path:
    """Return the directory that holds `rules/`: the project's own, or a copy with an overlay.

    Raises:
        ConfigError: The configured directory holds a table that the project does not know.
    """
    if config.rules is None:
        return SEEDS_DIR
    own = settings.project_root / config.rules
    known = {path.name for path in (SEEDS_DIR / "rules").glob("*.csv")}
    given = sorted(path.name for path in own.glob("*.csv"))
    unknown = [name for name in given if name not in known]
    if unknown or not given:
        what = f"{unknown[0]} is no rule table" if unknown else "the directory has no rule table"
        raise ConfigError("BAD_VALUE", "rules", f"{what}; known are {', '.join(sorted(known))}")
    root = OVERLAYS_DIR / hashlib.sha256(str(settings.home).encode()).hexdigest()[:12]
    for source in sorted(path for path in SEEDS_DIR.rglob("*") if path.is_file()):
        relative = source.relative_to(SEEDS_DIR)
        overlay = own / relative.name
        is_rule = relative.parent.name == "rules" and overlay.is_file()
        _copy_if_changed(overlay if is_rule else source, root / relative)
    return root


def rules_dir(settings: Settings, config: Config) -> Path:
    """Return the directory of the rule tables that are in force."""
    return seeds_root(settings, config) / "rules"


def _copy_if_changed(source: Path, target: Path) -> None:
    """Leave an equal file alone: dbt takes a new one as a reason to parse again."""
    if not target.exists() or target.read_bytes() != source.read_bytes():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _prepare_manifest(project: DbtProject, settings: Settings, config: Config) -> None:
    # Which day is parsed with does not change the graph; which inputs exist does.
    variables = dbt_vars(config, config.as_of or config.history_start)
    fingerprint = _fingerprint(seeds_root(settings, config), settings.target, variables)
    known = project.manifest_path.with_name("manifest.fingerprint")
    if project.manifest_path.exists() and known.exists() and known.read_text() == fingerprint:
        return
    work = project.manifest_path.parent / "parse"
    done = subprocess.run(
        [
            *(str(DBT_EXECUTABLE), "--quiet", "parse", "--vars", json.dumps(variables)),
            *("--project-dir", str(project.project_dir), "--target", settings.target),
            *("--profiles-dir", str(PROFILES_DIR)),
            *("--target-path", str(work), "--log-path", str(work)),
        ],
        cwd=project.project_dir,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"dbt cannot parse the project:\n{done.stdout}{done.stderr}")
    known.unlink(missing_ok=True)
    (work / "manifest.json").replace(project.manifest_path)
    known.write_text(fingerprint)


def _fingerprint(seeds: Path, target: str, variables: dict) -> str:
    """Hash everything that the graph is made of."""
    digest = hashlib.sha256(json.dumps([target, str(seeds), variables]).encode())
    files = [DBT_PROJECT_DIR / "dbt_project.yml", PROFILES_DIR / "profiles.yml"]
    for folder in ("models", "macros", "tests"):
        files += sorted(path for path in (DBT_PROJECT_DIR / folder).rglob("*") if path.is_file())
    files += sorted(path for path in seeds.rglob("*") if path.is_file())
    for path in files:
        digest.update(str(path).encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
