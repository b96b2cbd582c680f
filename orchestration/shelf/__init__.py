"""The tables that readers see: one interface, whether they are files or views of a server.

What the tables contain is decided by the dbt marts, whether they may be read by
`orchestration.gate`. `interface` says what there is, `files` does it with files,
`server` with views and `server_places` and `server_tables` below it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from orchestration.shelf.files import FilesShelf
from orchestration.shelf.interface import Report, Shelf
from orchestration.shelf.server import ServerShelf
from orchestration.warehouse import DUCKDB

if TYPE_CHECKING:
    from pathlib import Path

    from orchestration.config import Config
    from orchestration.publication_status import PublicationStatus
    from orchestration.settings import Settings
    from orchestration.warehouse import Session

__all__ = ["Report", "Shelf", "report_writer", "shelf_of"]


def shelf_of(settings: Settings) -> Shelf:
    """Return what readers of an installation see."""
    return FilesShelf(settings) if settings.target == DUCKDB else ServerShelf(settings)


def report_writer(config: Config) -> Report | None:
    """Return what writes the report of published tables, if there shall be one."""
    return partial(_write_report, config.currency) if config.publication.report else None


def _write_report(
    currency: str, session: Session, schema: str, status: PublicationStatus, target: Path
) -> None:
    from orchestration.report import write_report_of  # noqa: PLC0415 - draws, slow to import

    write_report_of(session, schema, status, target, currency=currency)
