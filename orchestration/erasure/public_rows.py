"""Which rows of a public table name somebody who is erased.

Who that is stands in `orchestration.erasure.requests`; what happens to the rows is the business of
those who publish.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.erasure.requests import is_erased

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestration.erasure.requests import Kind

# What names a person in a public table: the account, or the order of a row that was refused.
COLUMNS: dict[str, Kind] = {"customer_id": "customer_id", "row_key": "order_id"}


def names_erased(columns: Sequence[tuple[str, str, str | None]], database: str) -> str | None:
    """Return SQL that is true for the rows of erased people; None if no column names anybody.

    Args:
        columns: The columns of the table.
        database: Where the requests are.
    """
    names = {name for name, _, _ in columns}
    conditions = [
        is_erased(kind, f"cast({column} as varchar)", database)
        for column, kind in COLUMNS.items()
        if column in names
    ]
    return f"coalesce({' or '.join(conditions)}, false)" if conditions else None
