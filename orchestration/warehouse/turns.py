"""One process at a time on an installation; the next one waits for its turn."""

from __future__ import annotations

import fcntl
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestration.warehouse.session import WarehouseError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

WAIT_FOR_LOCK_SECONDS = 3600


@contextmanager
def only_writer(home: Path, on_wait: Callable[[], None] | None = None) -> Generator[None]:
    """Hold the installation for the time of the block; a second process waits for its turn.

    Args:
        home: The directory of the state.
        on_wait: Called once when there is somebody to wait for.

    Raises:
        WarehouseError: The other process did not finish.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".writer").open("w") as file:
        waited = 0
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if waited == 0 and on_wait is not None:
                    on_wait()
                if waited >= WAIT_FOR_LOCK_SECONDS:
                    raise WarehouseError(
                        "another run still holds the warehouse: wait for it or end it"
                    ) from None
                time.sleep(1)
                waited += 1
        yield
