"""CSV files that a spreadsheet may open: no text in them is ever taken for a formula.

Quotes as RFC 4180 asks for do not help against that. Files for programs (JSON, Parquet) are not
changed like this: there a text is a text.

Source: OWASP, CSV Injection; OWASP ASVS 1.2.10.
"""

from __future__ import annotations

import csv
import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FORMULA_SIGNS = frozenset("=+-@|%\u2212")
FIELD_BREAKERS = frozenset("\t\r\n\0")
# Letters by their category, blank to the eye: fillers of Hangul, and the empty Braille cell.
BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def safe_cell(value: Any) -> Any:
    """Return what may be written for a value: numbers as they are, texts without a live formula.

    Args:
        value: A number, a text, a day, a time, a truth value, or None for an empty cell.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, Decimal)):
        return value
    text = str(value)
    return f"'{text}" if _is_live(text) else text


def write_csv(file: TextIO, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Write rows below a line of names and count them; texts are quoted, numbers are not.

    Args:
        file: Open for writing, with `newline=""`.
        columns: Their names.
        rows: A value for each column.
    """
    writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow([safe_cell(column) for column in columns])
    written = 0
    for row in rows:
        writer.writerow([safe_cell(value) for value in row])
        written += 1
    return written


def _is_live(text: str) -> bool:
    if text[:1] in FIELD_BREAKERS:
        return bool(text)
    first = next((sign for sign in text if not _is_passed_over(sign)), "")
    # Spreadsheets read the wide and the small forms of the signs, too.
    return bool(first) and unicodedata.normalize("NFKC", first)[:1] in FORMULA_SIGNS


def _is_passed_over(sign: str) -> bool:
    """Tell whether a sign shows nothing, or is a quote that a spreadsheet takes away."""
    return (
        unicodedata.category(sign)[0] in "CZM"
        or sign in BLANKS
        or unicodedata.normalize("NFKC", sign) == '"'
    )
