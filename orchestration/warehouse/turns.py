"""One process at a time on a warehouse; the next one waits for its turn."""

from __future__ import annotations

import fcntl
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestration.warehouse.opening import POSTGRES
from orchestration.warehouse.session import WarehouseError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from orchestration.settings import Settings

WAIT_FOR_LOCK_SECONDS = 3600


@contextmanager
def only_run(settings: Settings, on_wait: Callable[[], None] | None = None) -> Generator[None]:
    """Hold a warehouse for the time of the block; a second process waits for its turn.

    A server is held against processes of other machines as well, where it has locks.

    Args:
        settings: The installation.
        on_wait: Called when there is somebody to wait for.

    Raises:
        WarehouseError: The other process did not finish, or there is no way in.
    """
    with only_writer(settings.home, on_wait):
        if settings.target != POSTGRES:
            yield
            return
        from orchestration.warehouse.postgres import open_postgres  # noqa: PLC0415 - an extra

        # A connection of its own: the turn lasts longer than any step's.
        with open_postgres(settings.server) as session:
            _wait_for(session.take_turn, on_wait)
            yield


@contextmanager
def only_writer(folder: Path, on_wait: Callable[[], None] | None = None) -> Generator[None]:
    """Hold a folder for the time of the block; a second process waits for its turn.

    Args:
        folder: The directory.
        on_wait: Called once when there is somebody to wait for.

    Raises:
        WarehouseError: The other process did not finish.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".writer").open("w") as file:

        def taken() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        _wait_for(taken, on_wait)
        yield


def _wait_for(taken: Callable[[], bool], on_wait: Callable[[], None] | None) -> None:
    waited = 0
    while not taken():
        if waited == 0 and on_wait is not None:
            on_wait()
        if waited >= WAIT_FOR_LOCK_SECONDS:
            raise WarehouseError("another run still holds the warehouse: wait for it or end it")
        time.sleep(1)
        waited += 1
