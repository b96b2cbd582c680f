"""When dbt has to parse again, and when orders have to be checked again."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestration import project
from orchestration.dbt_run import DbtRun
from orchestration.project import CHECKED_BY_VARIABLE, PARSED, prepared_project
from orchestration.settings import Server

if TYPE_CHECKING:
    from pathlib import Path

    from dagster_dbt import DbtProject

    from tests.conftest import Installation


@pytest.fixture
def parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The targets for which dbt was asked to parse a copy of the project; nothing is parsed."""
    copy = tmp_path / "dbt_project"
    shutil.copytree(project.DBT_PROJECT_DIR, copy)
    monkeypatch.setattr(project, "DBT_PROJECT_DIR", copy)
    for name in ("LIFESTAGE_HOME", "LIFESTAGE_SEEDS", CHECKED_BY_VARIABLE):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    asked = []

    def run_dbt(_: object, of: DbtProject, work: Path) -> DbtRun:
        work.mkdir(parents=True, exist_ok=True)
        for name in ("manifest.json", PARSED):
            (work / name).write_text("{}")
        asked.append(str(of.target))
        return DbtRun(succeeded=True)

    monkeypatch.setattr(project, "run_dbt", run_dbt)
    return asked


def test_dbt_parses_again_when_what_it_read_is_something_else(
    sample_shop: Installation, tmp_path: Path, parsed: list[str]
) -> None:
    settings = replace(sample_shop.settings, home=tmp_path / "home", target="postgres")
    one, two = (replace(settings, server=Server(database=name)) for name in ("one", "two"))
    for asked, expected in ((one, 1), (one, 1), (two, 2), (two, 2)):
        prepared_project(asked, sample_shop.config)
        assert len(parsed) == expected
    macro = project.DBT_PROJECT_DIR / "macros" / "core" / "row_hash.sql"
    macro.write_text(macro.read_text() + "\n")
    prepared_project(two, sample_shop.config)
    assert parsed == ["postgres"] * 3


def test_orders_are_checked_again_when_a_macro_of_the_checks_changes(
    sample_shop: Installation, tmp_path: Path, parsed: list[str]
) -> None:
    settings = replace(sample_shop.settings, home=tmp_path / "home")
    known = []
    for name in ("", "models/marts/customers.sql", "macros/staging/parse_decimal.sql"):
        if name:
            path = project.DBT_PROJECT_DIR / name
            path.write_text(path.read_text() + "\n")
        prepared_project(settings, sample_shop.config)
        known.append(os.environ[CHECKED_BY_VARIABLE])
    assert known[0] == known[1] != known[2]
    assert len(parsed) == 3
