"""Takes erased people out of the tables that readers have, when no new tables take their place.

Usually the next generation is made without them and nothing is to do here. A night that is held
leaves the old tables where they are, and an erasure does not wait for the checks: the rows of the
people are left out, everything else stays as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.erasure.requests import count_open
from orchestration.erasure.traces import remove_deliveries
from orchestration.shelf import shelf_of
from orchestration.warehouse import has_warehouse, open_warehouse

if TYPE_CHECKING:
    from orchestration.settings import Settings


def redact_published(settings: Settings) -> int:
    """Show the served tables once more, without the rows of erased people.

    Older generations and deliveries are removed as well: nobody can go back to the rows.

    Returns:
        How many rows were left out.

    Raises:
        WarehouseError: Tables cannot be read or verified, or deliveries cannot be removed.
    """
    shelf = shelf_of(settings)
    rows = shelf.leave_out_erased()
    if not has_warehouse(settings):
        return rows
    with open_warehouse(settings, read_only=True) as session:
        asked = count_open(session)
    if asked:
        # Also when no row was left: the attempt before may have ended after the rows.
        remove_deliveries(settings)
        shelf.forget_past()
    return rows
