"""Tables that readers see as files: a database of DuckDB, Parquet files, a report.

It is done in `orchestration.publication`, `orchestration.holding`, `orchestration.generations`
and `orchestration.erasure.published_files`.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestration import generations, holding, publication
from orchestration.erasure.published_files import leave_out
from orchestration.generations import DATABASE_FILE, PARQUET, REPORT_FILE
from orchestration.publication_status import SCHEMA, read_status
from orchestration.shelf.interface import Report, Shelf
from orchestration.warehouse import attach, open_database

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import date
    from pathlib import Path

    from orchestration.config import Publication
    from orchestration.generations import Generation
    from orchestration.holding import Holding, KeptGeneration
    from orchestration.publication_status import PublicationStatus
    from orchestration.table_contracts import TableContract
    from orchestration.warehouse import Session

# The name of the published database beside the warehouse.
READERS = "readers"


class FilesShelf(Shelf):
    """The folder `published`."""

    def publish(
        self,
        rules: Publication,
        as_of_date: date,
        *,
        code_hash: str,
        report: Report | None = None,
        contracts: Mapping[str, TableContract] | None = None,
    ) -> Generation:
        """Write the files of a generation and put them in place."""
        return publication.publish(
            self.settings.warehouse_path,
            self.settings.published_dir,
            as_of_date,
            code_hash=code_hash,
            max_removed_share=rules.max_removed_share,
            with_parquet=rules.parquet,
            keep_generations=rules.keep_generations,
            report=_of_file(report),
            contracts=contracts,
            memory_limit=self.settings.memory_limit,
            threads=self.settings.threads,
        )

    def hold(
        self,
        refused_day: date,
        reason: str,
        *,
        held_by: Sequence[str] = (),
        report: Report | None = None,
    ) -> Holding:
        """Put the same tables in place with another status."""
        target = self.settings.published_dir
        return holding.hold(target, refused_day, reason, held_by=held_by, report=_of_file(report))

    def rollback(self, generation: str | None = None, *, report: Report | None = None) -> Holding:
        """Put the files of an older generation in place again."""
        return holding.rollback(self.settings.published_dir, generation, report=_of_file(report))

    def kept(self) -> tuple[KeptGeneration, ...]:
        """List the generations on disk."""
        return holding.kept_generations(self.settings.published_dir)

    def current(self) -> Generation | None:
        """Read the manifest of the published database."""
        return generations.published_generation(self.settings.published_dir)

    def status(self) -> PublicationStatus:
        """Read the row of the published database."""
        return read_status(self._database)

    def opened(self) -> AbstractContextManager[Session]:
        """Open the published database."""
        return open_database(self._database, read_only=True)

    @contextmanager
    def beside(self, session: Session) -> Generator[str]:
        """Attach the published database for the time of the block."""
        attach(session, self._database, READERS, read_only=True)
        try:
            yield f"{READERS}.{SCHEMA}"
        finally:
            session.run(f"detach {READERS}")

    def leave_out_erased(self) -> int:
        """Write the served files anew without the rows."""
        return leave_out(self.settings)

    def forget_past(self) -> int:
        """Remove the folders of older generations."""
        return generations.forget_past(self.settings.published_dir)

    def places(self, rules: Publication) -> dict[str, Path | str]:
        """Name the files."""
        target = self.settings.published_dir
        found: dict[str, Path | str] = {"database": self._database}
        if rules.parquet:
            found["parquet"] = target / PARQUET
        if rules.report:
            found["report"] = target / REPORT_FILE
        return found

    def kinds(self, rules: Publication) -> set[str]:
        """Name the forms of the files."""
        return {"duckdb", "parquet"} if rules.parquet else {"duckdb"}

    @property
    def _database(self) -> Path:
        return self.settings.published_dir / DATABASE_FILE


def _of_file(report: Report | None) -> Callable[[Path, Path], None] | None:
    """Let a report be written of a file."""
    if report is None:
        return None

    def write(database: Path, target: Path) -> None:
        status = read_status(database)
        with open_database(database, read_only=True) as session:
            report(session, SCHEMA, status, target)

    return write
