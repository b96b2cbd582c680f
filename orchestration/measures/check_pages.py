"""The checks as a page for people.

The texts and numbers are those of the seed `quality_thresholds`; writing the file is
`orchestration.check_docs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.measures.checks import Definition, written

if TYPE_CHECKING:
    from collections.abc import Mapping

ASSET_TITLES = {
    "arrival": "Arrival of the data",
    "drift": "Drift",
    "stability": "Stability of the labels",
    "usefulness": "Usefulness of the segments",
}
BLOCKS_SHOWN = {
    "publication": "the publication and all activation",
    "activation": "all activation",
    "audience": "the audience of the segment",
    "none": "nothing",
}
HEAD = """# Checks

Every night is judged by these checks before anything is published. Each result is a row of
`check_results` with its number, its limits and one sentence. This page is made from
`seeds/rules/quality_thresholds.csv` by `python -m orchestration.check_docs`.

- A check says `pass`, `warn`, `error` or `insufficient_data`. No number (NULL, NaN, infinity) is an
  error of a required check and `insufficient_data` of any other; a check that breaks is an error.
- *Required* checks block also when they have nothing to judge, and nobody can approve them.
- What blocks the publication blocks all activation as well.
"""


def check_page(definitions: Mapping[str, Definition]) -> str:
    """Show the checks to people, as Markdown.

    Args:
        definitions: the checks by id.

    Returns:
        A page with a table of contents by group and four parts per check.
    """
    parts = [HEAD]
    for asset, title in ASSET_TITLES.items():
        own = [one for one in definitions.values() if one.asset == asset]
        parts.append(f"## {title}\n")
        parts += [_section(one) for one in sorted(own, key=lambda one: one.check_id)]
    return "\n".join(parts)


def _section(definition: Definition) -> str:
    lines = [
        f"### {definition.check_id} {definition.check}\n",
        f"**{definition.title}.**\n",
        f"- *Measures:* {definition.measures}",
        f"- *Why:* {definition.why}",
        f"- *What to do:* {definition.remedy}",
        f"- *Alarms:* {alarm_rule(definition)}\n",
    ]
    return "\n".join(lines)


def alarm_rule(definition: Definition) -> str:
    """Say in words when a check alarms and what an error of it holds back."""
    side = {"above": "above", "reaching": "above", "below": "below"}[definition.direction]
    rules = []
    for level, limit, effect, p_value in (
        ("warns", definition.warn, definition.warn_effect, definition.p_warn),
        ("error", definition.error, definition.error_effect, definition.p_error),
    ):
        if limit is None:
            continue
        reach = "from" if (definition.direction, level) == ("reaching", "error") else side
        rule = f"{level} {reach} {written(limit)}"
        if effect is not None:
            rule += f" with an effect above {written(effect)}"
        if p_value is not None:
            rule += f" with adjusted p of {p_value:g}"
        rules.append(rule)
    if not rules:
        rules = ["never by itself"]
    needs = [
        f"{count:,} {where}"
        for count, where in (
            (definition.min_reference, "in the reference"),
            (definition.min_current, "now"),
        )
        if count
    ]
    if needs:
        rules.append(f"needs {' and '.join(needs)}")
    if definition.parameters:
        rules.append(
            ", ".join(f"`{name}` {value:g}" for name, value in definition.parameters.items())
        )
    rules.append(f"an error blocks {BLOCKS_SHOWN[definition.blocks]}")
    if definition.is_required:
        rules.append("required")
    return "; ".join(rules) + "."
