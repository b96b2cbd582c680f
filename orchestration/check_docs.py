"""Writes docs/checks.md from the seed of the checks: `python -m orchestration.check_docs`.

What the page says is made by `orchestration.measures.check_pages`.
"""

from __future__ import annotations

from pathlib import Path

from orchestration.measures.check_pages import check_page
from orchestration.rules import read_guards, read_thresholds

REPOSITORY = Path(__file__).parents[1]
RULES_DIR = REPOSITORY / "seeds" / "rules"
PAGE = REPOSITORY / "docs" / "checks.md"


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(
        check_page(read_thresholds(RULES_DIR), read_guards(RULES_DIR)), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
