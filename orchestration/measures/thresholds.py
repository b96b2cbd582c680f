"""What is wrong with the definitions of the checks.

Reading the seed is `orchestration.rules`, judging by it `orchestration.measures.night`, showing it
to people `orchestration.measures.check_pages`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.measures.checks import Definition, written
from orchestration.measures.judges.registry import FAMILY_CHECK, JUDGES, PARAMETERS, REQUIRED
from orchestration.measures.rule_bounds import PLACEHOLDERS
from orchestration.measures.rule_tables import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

THRESHOLDS = "quality_thresholds"
CHOICES = {
    "asset": ("arrival", "drift", "stability", "usefulness"),
    "direction": ("above", "reaching", "below"),
    "blocks": ("publication", "activation", "audience", "none"),
}


def lint_thresholds(definitions: Mapping[str, Definition]) -> list[Finding]:
    """Find definitions that would not judge what they promise.

    Args:
        definitions: the checks by id.

    Returns:
        Findings, errors first.
    """
    found = [*_lint_list(definitions)]
    for definition in definitions.values():
        found += [
            *_lint_words(definition),
            *_lint_limits(definition),
            *_lint_parameters(definition),
            *_lint_blocking(definition),
        ]
    return sorted(found, key=lambda one: one.severity != "error")


def _lint_list(definitions: Mapping[str, Definition]) -> Iterator[Finding]:
    known = {*JUDGES, FAMILY_CHECK}
    for check_id in sorted(known - set(definitions)):
        yield _finding(
            "CHECK_MISSING", check_id, f"{check_id} is missing; add its row, or nothing judges it"
        )
    for check_id in sorted(set(definitions) - known):
        yield _finding(
            "CHECK_UNKNOWN", check_id, f"{check_id} is no check of this version; remove its row"
        )
    names = [definition.check for definition in definitions.values()]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield _finding("CHECK_TWICE", name, f"two checks are named {name}; rename one")


def _lint_words(definition: Definition) -> Iterator[Finding]:
    check_id = definition.check_id
    for column in ("check", "title", "measures", "why", "remedy"):
        text = str(getattr(definition, column)).strip()
        if text.lower().rstrip(".") in PLACEHOLDERS:
            yield _finding(
                "MISSING_TEXT",
                f"{check_id}.{column}",
                f"{check_id} has no {column}; an alarm that nobody understands is not acted on",
            )
    for column, choices in CHOICES.items():
        if getattr(definition, column) not in choices:
            yield _finding(
                "BAD_CHOICE",
                f"{check_id}.{column}",
                f"{check_id} has {column} {getattr(definition, column)}; use {', '.join(choices)}",
            )


def _lint_limits(definition: Definition) -> Iterator[Finding]:
    check_id = definition.check_id
    sign = -1 if definition.direction == "below" else 1
    for warn, error in (("warn", "error"), ("warn_effect", "error_effect")):
        low, high = getattr(definition, warn), getattr(definition, error)
        direction = sign if warn == "warn" else 1
        if low is not None and high is not None and direction * low > direction * high:
            yield _finding(
                "WARN_BEYOND_ERROR",
                f"{check_id}.{warn}",
                f"{check_id}: {warn} {written(low)} lies beyond {error} {written(high)}, so it "
                "would never warn; exchange or correct them",
            )
    for column in ("p_warn", "p_error"):
        level = getattr(definition, column)
        if level is not None and not 0 < level < 1:
            yield _finding(
                "BAD_LEVEL",
                f"{check_id}.{column}",
                f"{check_id}: {column} is {written(level)}; give a probability between 0 and 1",
            )
    if None not in (definition.p_warn, definition.p_error) and (
        (definition.p_warn or 0) < (definition.p_error or 0)
    ):
        yield _finding(
            "WARN_BEYOND_ERROR",
            f"{check_id}.p_warn",
            f"{check_id}: p_warn is smaller than p_error, so it would never warn; exchange them",
        )
    for column in ("warn_effect", "error_effect", "min_reference", "min_current"):
        if (getattr(definition, column) or 0) < 0:
            yield _finding(
                "BAD_LIMIT",
                f"{check_id}.{column}",
                f"{check_id}: {column} is negative; give 0 or more, or leave it empty",
            )


def _lint_parameters(definition: Definition) -> Iterator[Finding]:
    wanted = PARAMETERS.get(definition.check_id, frozenset())
    given = set(definition.parameters)
    for name in sorted(wanted - given):
        yield _finding(
            "PARAMETER_MISSING",
            f"{definition.check_id}.{name}",
            f"{definition.check_id}: parameter {name} is missing; its formula needs it",
        )
    for name in sorted(given - wanted):
        yield _finding(
            "PARAMETER_UNKNOWN",
            f"{definition.check_id}.{name}",
            f"{definition.check_id}: parameter {name} is unknown; "
            f"its formula has {', '.join(sorted(wanted)) or 'none'}",
        )


def _lint_blocking(definition: Definition) -> Iterator[Finding]:
    check_id = definition.check_id
    if check_id in REQUIRED and not definition.is_required:
        yield _finding(
            "NOT_REQUIRED",
            f"{check_id}.is_required",
            f"{check_id} must be required: without it nobody knows whether the tables are right",
        )
    if definition.is_required and definition.blocks != "publication":
        yield _finding(
            "REQUIRED_NOT_BLOCKING",
            f"{check_id}.blocks",
            f"{check_id} is required and blocks {definition.blocks}; a required check must block "
            "the publication",
        )
    if check_id in REQUIRED and definition.error is None:
        yield _finding(
            "REQUIRED_WITHOUT_ERROR",
            f"{check_id}.error",
            f"{check_id} is required and has no limit of an error; give one",
        )


def _finding(check: str, subject: str, text: str) -> Finding:
    return Finding(check, "error", THRESHOLDS, subject, f"{THRESHOLDS}: {text}")
