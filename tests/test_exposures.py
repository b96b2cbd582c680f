"""Exposures say of the audiences in force what the table says, also where it is replaced."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from orchestration.config import parse_config
from orchestration.measures.exposures import EXPOSURES_FILE, exposures_yaml, lint_exposures
from orchestration.overlay import SEEDS_DIR, rules_dir, seeds_root
from orchestration.project import prepared_project
from orchestration.provenance import code_hash
from orchestration.rules import read_audiences
from orchestration.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestration.measures.audience_tables import Audience

BOOK = read_audiences(SEEDS_DIR / "rules")
SHIPPED = (SEEDS_DIR / "rules" / EXPOSURES_FILE).read_text(encoding="utf-8")


def told(*rows: Audience) -> list[dict[str, Any]]:
    return yaml.safe_load(exposures_yaml(replace(BOOK, audiences=rows)))["exposures"]


def test_the_file_that_ships_tells_of_the_table_that_ships() -> None:
    assert lint_exposures(BOOK, SHIPPED) == []


def test_a_file_that_tells_of_other_audiences_is_found() -> None:
    fewer = replace(BOOK, audiences=BOOK.audiences[1:])
    for text in (SHIPPED, ""):
        (finding,) = lint_exposures(fewer, text)
        assert (finding.check, finding.severity) == ("STALE_EXPOSURES", "error")


def test_an_owner_is_a_team_with_or_without_an_address() -> None:
    row = BOOK.audiences[0]
    owners = [told(replace(row, owner=owner))[0]["owner"] for owner in ("crm@example.com", "CRM")]
    assert owners == [{"name": "crm", "email": "crm@example.com"}, {"name": "CRM"}]


def test_an_audience_for_every_map_is_told_once() -> None:
    row = replace(BOOK.audiences[0], preset="*")
    other = replace(row, preset="five")
    assert len(told(other, row)) == 1
    assert len(told(other, other)) == 1
    assert len(told(other, replace(row, preset="default"))) == 2


class TestOverlay:
    """Audiences of the user's own folder."""

    @pytest.fixture
    def settings(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
        for name in ("LIFESTAGE_HOME", "LIFESTAGE_SEEDS"):
            monkeypatch.setenv(name, "set by the project")
        rules = tmp_path / "rules"
        rules.mkdir()
        shutil.copy(SEEDS_DIR / "rules" / "audiences.csv", rules)
        made = Settings(tmp_path, tmp_path / "lifestage.yml", tmp_path / ".lifestage")
        yield made
        config = parse_config({"rules": "rules"}, tmp_path)
        shutil.rmtree(seeds_root(made, config))

    def change(self, settings: Settings, old: str, new: str) -> None:
        path = settings.project_root / "rules" / "audiences.csv"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def test_dbt_knows_the_audiences_in_force(self, settings: Settings) -> None:
        path = settings.project_root / "rules" / "audiences.csv"
        vip = next(line for line in path.read_text().splitlines() if line.startswith("vip_"))
        with path.open("a", encoding="utf-8") as file:
            # The same audience of another map, with a text that looks like a template.
            file.write(vip.replace(",default,", ",five,").replace("Champions:", "{{ ref(1) }}"))
        self.change(settings, "win_back,*,Win-back", "come_back,*,Come back")
        config = parse_config({"rules": "rules"}, settings.project_root)
        project = prepared_project(settings, config)
        manifest = json.loads(project.manifest_path.read_text(encoding="utf-8"))
        exposures = {node["name"]: node for node in manifest["exposures"].values()}
        assert set(exposures) == {row.audience for row in BOOK.audiences} - {"win_back"} | {
            "come_back"
        }
        assert exposures["come_back"]["label"] == "Come back"
        assert exposures["vip_early_access"]["description"].startswith("Champions:")

    def test_equal_rules_are_equal_code_and_one_file(self, settings: Settings) -> None:
        config = parse_config({"rules": "rules"}, settings.project_root)
        before = code_hash(settings, config)
        file = rules_dir(settings, config) / EXPOSURES_FILE
        written = file.stat().st_mtime_ns
        assert file.read_text(encoding="utf-8") == SHIPPED
        assert code_hash(settings, config) == before
        assert file.stat().st_mtime_ns == written
        self.change(settings, "Win-back", "Winback")
        assert code_hash(settings, config) != before

    def test_a_table_that_cannot_be_read_has_no_exposures(self, settings: Settings) -> None:
        config = parse_config({"rules": "rules"}, settings.project_root)
        assert (rules_dir(settings, config) / EXPOSURES_FILE).exists()
        self.change(settings, "2026-06-15", "last June")
        assert not (rules_dir(settings, config) / EXPOSURES_FILE).exists()
