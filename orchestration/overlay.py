"""Which rule tables are in force: the project's own, or a copy in which some are replaced.

What stands in the tables is read by `orchestration.rules` and judged by
`orchestration.measures.rules`; dbt loads the same folder as seeds, and the audiences in it as
exposures. Run `python -m orchestration.overlay` to rewrite the exposures of the project's own.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.config import ConfigError
from orchestration.measures.exposures import EXPOSURES_FILE, exposures_yaml
from orchestration.rules import RuleFileError, read_audiences

if TYPE_CHECKING:
    from orchestration.config import Config
    from orchestration.settings import Settings

REPOSITORY = Path(__file__).parents[1]
DBT_PROJECT_DIR = REPOSITORY / "dbt_project"
SEEDS_DIR = REPOSITORY / "seeds"
# Inside the project: dbt names its artifacts by the path of a seed as seen from there.
OVERLAYS_DIR = DBT_PROJECT_DIR / "target" / "overlays"


def seeds_root(settings: Settings, config: Config) -> Path:
    """Return the directory that holds `rules/`; with an overlay it is brought up to date first.

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
        is_replaced = relative.parent.name == "rules" and overlay.is_file()
        if relative.name != EXPOSURES_FILE:
            _copy_if_changed(overlay if is_replaced else source, root / relative)
    write_exposures(root / "rules")
    return root


def rules_dir(settings: Settings, config: Config) -> Path:
    """Return the directory of the rule tables that are in force."""
    return seeds_root(settings, config) / "rules"


def write_exposures(rules: Path) -> None:
    """Write the exposures of the audiences in a folder of rule tables, if they are others now."""
    target = rules / EXPOSURES_FILE
    try:
        text = exposures_yaml(read_audiences(rules))
    except RuleFileError:
        # Whoever computes with the tables says what is wrong with them; there are no audiences.
        target.unlink(missing_ok=True)
        return
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        target.write_text(text, encoding="utf-8")


def _copy_if_changed(source: Path, target: Path) -> None:
    """Leave an equal file alone: dbt takes a new one as a reason to parse again."""
    if not target.exists() or target.read_bytes() != source.read_bytes():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


if __name__ == "__main__":
    write_exposures(SEEDS_DIR / "rules")
