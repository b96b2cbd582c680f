"""Reads the rule tables from a folder of CSV files into plain values.

Only the form of the files is judged here: columns, numbers, dates. What the rules say is judged by
`orchestration/measures/rules.py`; dbt loads the same files as seeds for the SQL models.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, TypeVar

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
    except (ValueError, InvalidOperation):
        kind = {int: "a whole number", Decimal: "a number"}.get(parse, "a date like 2026-01-31")
        kind = "a whole number or empty" if parse is _whole_or_none else kind
        raise RuleFileError(
            f"{path.name} line {line}, column {column}: {text!r} is not {kind}"
        ) from None
