"""Takes erased people out of the tables that readers have, when no new tables take their place.

Usually the next generation is made without them and nothing is to do here. A night that is held
leaves the old tables where they are, and an erasure does not wait for the checks: the rows of the
people are left out, everything else stays as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.erasure.traces import remove_deliveries
from orchestration.shelf import shelf_of

if TYPE_CHECKING:
    from orchestration.settings import Settings


def redact_published(settings: Settings) -> int:
    """Show the served tables once more, without the rows of erased people.

    Older generations and deliveries are removed as well: nobody can go back to the rows.

    Returns:
        How many rows were left out; 0 if there were none, and nothing is changed then.

    Raises:
        WarehouseError: Tables cannot be read or verified, or deliveries cannot be removed.
    """
    rows = shelf_of(settings).leave_out_erased()
    if rows:
        remove_deliveries(settings)
    return rows
