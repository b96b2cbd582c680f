"""Reads the rule tables from a folder of CSV files into plain values.

Only the form of the files is judged here: columns, numbers, dates. What the rules say is judged by
`orchestration/measures/rules.py`; dbt loads the same files as seeds for the SQL models.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, TypeVar

from orchestration.measures.activation_limits import ActivationLimits, Limit, limits_of
from orchestration.measures.audience_tables import (
    Audience,
    AudienceBook,
    ConsentRequirement,
    ContactCap,
    Destination,
    Holdout,
    ProtectedAttribute,
)
from orchestration.measures.checks import Definition
from orchestration.measures.delivery_guards import GUARDS, STOPS, UNAPPROVABLE, Guard
from orchestration.measures.rule_tables import (
    FixedCut,
    LifecycleStage,
    RuleBook,
    RuleException,
    Segment,
    SegmentRule,
)

if TYPE_CHECKING:
    from pathlib import Path

Parser = Callable[[str], Any]
Row = TypeVar("Row")


class RuleFileError(Exception):
    """A rule file that cannot be read; the message names file, line, column and remedy."""


def _whole_or_none(text: str) -> int | None:
    return int(text) if text.strip() else None


def _amount_or_none(text: str) -> Decimal | None:
    return Decimal(text) if text.strip() else None


def _number_or_none(text: str) -> float | None:
    if not text.strip():
        return None
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _truth(text: str) -> bool:
    return {"true": True, "false": False}[text.strip().lower()]


def _named_numbers(text: str) -> dict[str, float]:
    pairs = [pair.partition("=") for pair in text.split()]
    if len({name for name, _, _ in pairs}) < len(pairs):
        raise ValueError
    return {name: float(value) for name, _, value in pairs}


KINDS: dict[Parser, str] = {
    int: "a whole number",
    Decimal: "a number",
    _whole_or_none: "a whole number or empty",
    _number_or_none: "a number or empty",
    _amount_or_none: "a number or empty",
    float: "a number",
    _truth: "true or false",
    _named_numbers: "a list like alpha=0.001 noise=4",
}


# Parser of each column that is not text, by file.
PARSERS: dict[type, dict[str, Parser]] = {
    SegmentRule: {
        "valid_from": date.fromisoformat,
        **dict.fromkeys(("priority", "r_min", "r_max", "f_min", "f_max", "m_min", "m_max"), int),
    },
    Segment: {"rank": int, "reviewed_on": date.fromisoformat},
    LifecycleStage: {
        **dict.fromkeys(("valid_from", "reviewed_on"), date.fromisoformat),
        **dict.fromkeys(("from_day", "to_day", "after_gap_days"), _whole_or_none),
        "rank": int,
    },
    FixedCut: {"valid_from": date.fromisoformat, "cut": int, "value": Decimal},
    RuleException: {},
    Definition: {
        **dict.fromkeys(
            ("warn", "error", "warn_effect", "error_effect", "p_warn", "p_error"), _number_or_none
        ),
        **dict.fromkeys(("min_reference", "min_current"), _whole_or_none),
        "is_required": _truth,
        "parameters": _named_numbers,
    },
    Audience: {
        **dict.fromkeys(
            ("within_days", "min_orders", "max_orders", "min_silence_days", "max_silence_days"),
            _whole_or_none,
        ),
        "archive_after_days": _whole_or_none,
        "min_monetary": _amount_or_none,
        "priority": int,
        "reviewed_on": date.fromisoformat,
    },
    Guard: {"warns_at": _number_or_none, "can_be_approved": _truth},
    Destination: {
        **dict.fromkeys(("minimum_size", "judged_from", "max_removed_rows"), int),
        **dict.fromkeys(("max_removed_share", "max_added_share"), float),
    },
    ConsentRequirement: {},
    ContactCap: dict.fromkeys(("days", "max_contacts"), int),
    Holdout: {"share": float},
    ProtectedAttribute: {},
    Limit: {"value": Decimal},
}


def read_rules(directory: Path) -> RuleBook:
    """Read the five rule tables.

    Args:
        directory: folder that holds `segment_rules.csv` and its companions.

    Returns:
        The rule tables as values.

    Raises:
        RuleFileError: a file is missing or a cell cannot be read.
    """
    return RuleBook(
        segment_rules=read_table(directory / "segment_rules.csv", SegmentRule),
        segments=read_table(directory / "segments.csv", Segment),
        lifecycle_stages=read_table(directory / "lifecycle_stages.csv", LifecycleStage),
        fixed_score_cuts=read_table(directory / "fixed_score_cuts.csv", FixedCut),
        exceptions=read_table(directory / "rule_exceptions.csv", RuleException),
    )


def read_audiences(directory: Path) -> AudienceBook:
    """Read the six rule tables of activation.

    Args:
        directory: folder that holds `audiences.csv` and its companions.

    Returns:
        The rule tables as values.

    Raises:
        RuleFileError: a file is missing or a cell cannot be read.
    """
    return AudienceBook(
        audiences=read_table(directory / "audiences.csv", Audience),
        destinations=read_table(directory / "destinations.csv", Destination),
        consent_requirements=read_table(directory / "consent_requirements.csv", ConsentRequirement),
        contact_caps=read_table(directory / "contact_caps.csv", ContactCap),
        holdouts=read_table(directory / "holdouts.csv", Holdout),
        protected_attributes=read_table(directory / "protected_attributes.csv", ProtectedAttribute),
    )


def read_activation_limits(directory: Path) -> ActivationLimits:
    """Read from where on comparisons of arms and groups count, and how far logs reach back.

    Args:
        directory: folder that holds `activation_limits.csv`.

    Raises:
        RuleFileError: the file is missing, a cell cannot be read, or a limit is missing or lies
            where it cannot.
    """
    path = directory / "activation_limits.csv"
    try:
        return limits_of(read_table(path, Limit))
    except ValueError as error:
        raise RuleFileError(f"{path.name}: {error}; correct it") from error


def read_guards(directory: Path) -> dict[str, Guard]:
    """Read what is said about the guards of deliveries.

    Args:
        directory: folder that holds `delivery_guards.csv`.

    Returns:
        The guards by id, in their order.

    Raises:
        RuleFileError: the file is missing, a cell cannot be read, a guard is missing or stands
            twice, or one that nobody may approve can be.
    """
    path = directory / "delivery_guards.csv"
    rows = read_table(path, Guard)
    if sorted(row.check_id for row in rows) != sorted(GUARDS):
        raise RuleFileError(
            f"{path.name}: each of {', '.join(GUARDS)} stands there once; correct the rows"
        )
    for row in rows:
        if row.stops not in STOPS:
            raise RuleFileError(
                f"{path.name}: {row.check_id} stops {' or '.join(STOPS)}; correct the row"
            )
        if row.can_be_approved and row.check_id in UNAPPROVABLE:
            raise RuleFileError(f"{path.name}: nobody approves {row.check_id}; write false")
    return {row.check_id: row for row in sorted(rows, key=lambda row: row.check_id)}


def read_thresholds(directory: Path) -> dict[str, Definition]:
    """Read the definitions of the checks.

    Args:
        directory: folder that holds `quality_thresholds.csv`.

    Returns:
        The checks by id, in the order of the file.

    Raises:
        RuleFileError: the file is missing, a cell cannot be read or a check stands twice.
    """
    path = directory / "quality_thresholds.csv"
    definitions: dict[str, Definition] = {}
    for definition in read_table(path, Definition):
        if definition.check_id in definitions:
            raise RuleFileError(
                f"{path.name}: {definition.check_id} stands there twice; remove one row"
            )
        definitions[definition.check_id] = definition
    return definitions


def read_table(path: Path, row_type: type[Row]) -> tuple[Row, ...]:
    """Read one rule table, for instance the candidate rules of a what-if.

    Args:
        path: CSV file with a header.
        row_type: kind of the rows, which names the columns.

    Returns:
        The rows in the order of the file.

    Raises:
        RuleFileError: the file is missing, lacks a column or holds a cell that cannot be read.
    """
    columns = tuple(row_type.__annotations__)
    parsers = PARSERS[row_type]
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise RuleFileError(f"{path.name}: column {', '.join(missing)} is missing; add it")
            rows = []
            for row in reader:
                if None in row or None in row.values():
                    raise RuleFileError(
                        f"{path.name} line {reader.line_num}: the number of fields differs from "
                        "the header; quote texts that hold commas"
                    )
                cells = {
                    name: _cell(path, reader.line_num, name, row[name], parsers.get(name, str))
                    for name in columns
                }
                rows.append(row_type(**cells))
            return tuple(rows)
    except FileNotFoundError:
        raise RuleFileError(f"{path.name} is missing; every rule folder needs it") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise RuleFileError(f"{path.name}: not a readable CSV in UTF-8 ({error})") from error


def _cell(path: Path, line: int, column: str, text: str, parse: Parser) -> Any:
    try:
        return parse(text.strip())
    except (ValueError, InvalidOperation, KeyError):
        kind = KINDS.get(parse, "a date like 2026-01-31")
        raise RuleFileError(
            f"{path.name} line {line}, column {column}: {text!r} is not {kind}"
        ) from None
