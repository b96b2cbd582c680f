"""The report of a published database: one HTML page that needs nothing else to be read.

`queries` and `queries_audiences` ask the database, `figures_today`, `figures_history` and
`figures_audiences` draw in the manner of `drawing`, `findings`, `findings_audiences` and
`findings_campaigns` say things in words, `segments` and `words` are the names, and `page` puts
everything into the templates. When a report is written is decided by `orchestration.publication`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.report.page import rendered
from orchestration.report.queries import contents_of, read_contents

if TYPE_CHECKING:
    from pathlib import Path

    from orchestration.publication_status import PublicationStatus
    from orchestration.warehouse import Session


def write_report(database: Path, target: Path, currency: str | None = None) -> None:
    """Write the report of a published database; the same database gives the same bytes.

    Args:
        database: The published file; it is only read.
        target: The page to write; one that is there is replaced.
        currency: The unit of money, which the tables do not name; left out if not known.

    Raises:
        WarehouseError: The database is missing, damaged, or in use by another process.
    """
    target.write_bytes(rendered(read_contents(database), currency).encode("utf-8"))


def write_report_of(
    session: Session,
    schema: str,
    status: PublicationStatus,
    target: Path,
    currency: str | None = None,
) -> None:
    """Write the report of the tables of a schema.

    Args:
        session: Where they are.
        schema: The schema.
        status: What readers are told about them when they see the page.
        target: The page to write; one that is there is replaced.
        currency: The unit of money, which the tables do not name; left out if not known.

    Raises:
        EngineError: A table cannot be read.
    """
    contents = contents_of(session, session.database, schema, status)
    target.write_bytes(rendered(contents, currency).encode("utf-8"))
