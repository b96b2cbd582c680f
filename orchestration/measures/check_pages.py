"""The checks as a page for people.

The texts and numbers are those of the seeds `quality_thresholds` and `delivery_guards`; writing
the file is `orchestration.check_docs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.measures.checks import Definition, written
from orchestration.measures.delivery_guards import NEVER_STOPS, Guard

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
GUARDS_HEAD = """## Guards of deliveries

Every list is judged by these before it leaves, each on its own: a stopped list sends only the
removals of people who object, were erased or merged, and other lists go on. The limits stand in
`destinations.csv`, the texts in `delivery_guards.csv`; what they said is in `delivery.guards` of
the warehouse. A person lets one list of one day go with
`lifestage approve G01 --audience win_back --as-of ... --by ... --reason ...`.
"""
HEAD = """# Checks

Every night is judged by these checks before anything is published. Each result is a row of
`check_results` with its number, its limits and one sentence. This page is made from
`quality_thresholds.csv` and `delivery_guards.csv` of `seeds/rules` by
`python -m orchestration.check_docs`.

- A check says `pass`, `warn`, `error` or `insufficient_data`. No number (NULL, NaN, infinity) is an
  error of a required check and `insufficient_data` of any other; a check that breaks is an error.
- *Required* checks block also when they have nothing to judge, and nobody can approve them.
- What blocks the publication blocks all activation as well.
"""


def check_page(definitions: Mapping[str, Definition], guards: Mapping[str, Guard]) -> str:
    """Show the checks to people, as Markdown.

    Args:
        definitions: the checks by id.
        guards: the guards of deliveries by id.

    Returns:
        A page with a table of contents by group and four parts per check.
    """
    parts = [HEAD]
    for asset, title in ASSET_TITLES.items():
        own = [one for one in definitions.values() if one.asset == asset]
        parts.append(f"## {title}\n")
        parts += [_section(one) for one in sorted(own, key=lambda one: one.check_id)]
    parts += [GUARDS_HEAD, *(_guard_section(one) for one in guards.values())]
    return "\n".join(parts)


def _guard_section(guard: Guard) -> str:
    lines = [
        f"### {guard.check_id} {guard.check_name}\n",
        f"**{guard.title}.**\n",
        f"- *Measures:* {guard.measures}",
        f"- *Why:* {guard.why}",
        f"- *What to do:* {guard.remedy}",
        f"- *Alarms:* {_guard_rule(guard)}\n",
    ]
    return "\n".join(lines)


def _guard_rule(guard: Guard) -> str:
    """Say in words when a guard warns, when it stops a list, and who may let it go."""
    rules = []
    if guard.warns_at is not None:
        part = f"{written(guard.warns_at)} of the limit" if guard.warns_at else "0"
        rules.append(f"warns {guard.stops} {part}")
    if guard.check_id in NEVER_STOPS:
        return f"{'; '.join(rules)}; stops nothing."
    rules.append(f"stops the list {guard.stops} the limit")
    rules.append("a person may let it go" if guard.can_be_approved else "nobody may let it go")
    return "; ".join(rules) + "."


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
