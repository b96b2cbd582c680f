"""The audiences as exposures of dbt: a YAML file that says who uses the tables, and what for.

It is made of `audiences.csv` alone. Where the file lies is the business of `orchestration.overlay`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from orchestration.measures.audience_tables import ANY
from orchestration.measures.rule_tables import Finding

if TYPE_CHECKING:
    from orchestration.measures.audience_tables import Audience, AudienceBook

EXPOSURES_FILE = "_audiences__exposures.yml"
# What every audience is made from.
PARENTS = ("audience_memberships", "audience_catalogue")
NAME = re.compile(r"[a-z][a-z0-9_]*")
HEADER = """\
# Made from audiences.csv by `python -m orchestration.overlay`: change the table, not this file.

"""
# dbt reads templates also in texts of people.
TEMPLATE = re.compile(r"\{(?=[{%#])")


def exposures_yaml(book: AudienceBook) -> str:
    """Write an exposure per audience.

    An audience of one map of segments is enabled where that map is in force. One whose name dbt
    does not take, or that stands twice for one map, is left to the linter.

    Args:
        book: The activation rules.

    Returns:
        The text of the file; equal rules give equal text.
    """
    named = [row for row in book.audiences if NAME.fullmatch(row.audience)]
    for_all = {row.audience for row in named if row.preset == ANY}
    rows: dict[tuple[str, str], Audience] = {}
    for row in named:
        if row.preset == ANY or row.audience not in for_all:
            rows.setdefault((row.audience, row.preset), row)
    described = {"version": 2, "exposures": [_exposure(row) for row in rows.values()]}
    text = yaml.safe_dump(described, sort_keys=False, allow_unicode=True, width=100)
    return HEADER + text


def lint_exposures(book: AudienceBook, text: str) -> list[Finding]:
    """Check that the file of exposures says what the table of audiences says.

    Args:
        book: The activation rules.
        text: The file as it lies there; empty if there is none.
    """
    if text == exposures_yaml(book):
        return []
    told = f"{EXPOSURES_FILE} does not tell of audiences.csv: run `python -m orchestration.overlay`"
    return [Finding("STALE_EXPOSURES", "error", "audiences", EXPOSURES_FILE, told)]


def _exposure(row: Audience) -> dict[str, Any]:
    team, _, house = row.owner.strip().partition("@")
    owner = {"name": team, "email": row.owner.strip()} if house else {"name": team}
    return {
        "name": row.audience,
        "label": _text(row.name),
        "type": "application",
        "maturity": "high",
        "description": _text(f"{row.description} What they get: {row.action}"),
        "owner": {part: _text(value) for part, value in owner.items()},
        "depends_on": [f"ref('{name}')" for name in PARENTS],
        "config": {
            "enabled": _enabled(row),
            "meta": {
                "purpose": _text(row.purpose),
                "channel": _text(row.channel),
                "destination": _text(row.destination),
                "objective": _text(row.objective),
                "objective_metric": _text(row.objective_metric),
                "objective_target": _text(row.objective_target),
                "reviewed_on": row.reviewed_on.isoformat(),
            },
        },
    }


def _enabled(row: Audience) -> bool | str:
    if row.preset == ANY:
        return True
    # Anything else would be read as code by dbt.
    preset = re.sub(r"[^A-Za-z0-9_]", "", row.preset)
    return f"{{{{ var('segment_preset') == '{preset}' }}}}"


def _text(value: str) -> str:
    return TEMPLATE.sub("{ ", " ".join(value.split()))
