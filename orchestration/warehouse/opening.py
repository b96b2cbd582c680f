"""Which engine an installation has, and the way into its warehouse.

The three engines differ in the modules beside this one; nobody else asks which one it is, except
publication, which shows tables to readers in the engine's own way.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestration.warehouse.duckdb_files import open_database
from orchestration.warehouse.server import ServerSession
from orchestration.warehouse.session import WarehouseError

if TYPE_CHECKING:
    from collections.abc import Generator

    from orchestration.settings import Settings
    from orchestration.warehouse.session import Session

DUCKDB, POSTGRES, SPARK = ENGINES = ("duckdb", "postgres", "spark")


@contextmanager
def open_warehouse(settings: Settings, *, read_only: bool) -> Generator[Session]:
    """Open the warehouse of an installation for the time of the block.

    Args:
        settings: The installation.
        read_only: Whether nothing will be written; a file of DuckDB has one writer.

    Raises:
        WarehouseError: There is no such engine, or no way in.
    """
    if settings.target == DUCKDB:
        with open_database(
            settings.warehouse_path, read_only=read_only, memory_limit=settings.memory_limit
        ) as session:
            yield session
    elif settings.target == POSTGRES:
        from orchestration.warehouse.postgres import open_postgres  # noqa: PLC0415 - an extra

        with open_postgres(settings.server, settings.memory_limit, settings.threads) as session:
            yield session
    elif settings.target == SPARK:
        from orchestration.warehouse.spark import open_spark  # noqa: PLC0415 - an extra

        with open_spark(settings.server, settings.memory_limit, settings.threads) as session:
            yield session
    else:
        raise WarehouseError(
            f"LIFESTAGE_TARGET is {settings.target}: it must be one of {', '.join(ENGINES)}"
        )


@contextmanager
def open_server(settings: Settings) -> Generator[ServerSession]:
    """Open the warehouse of an installation whose tables lie on a server.

    Raises:
        WarehouseError: They lie in a file, or there is no way in.
    """
    with open_warehouse(settings, read_only=False) as session:
        if not isinstance(session, ServerSession):
            raise WarehouseError(f"LIFESTAGE_TARGET is {settings.target}, which is no server")
        yield session


def has_warehouse(settings: Settings) -> bool:
    """Tell whether there may be tables; a server is there before its tables are."""
    return settings.target != DUCKDB or settings.warehouse_path.exists()
