"""What can be asked of the tables that readers see, and done to them, on any engine.

How it is done with files and on a server is in the modules beside this one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from orchestration.publication_status import PublicationStatus
from orchestration.warehouse import Session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import date

    from orchestration.config import Publication
    from orchestration.generations import Generation
    from orchestration.holding import Holding, KeptGeneration
    from orchestration.settings import Settings
    from orchestration.table_contracts import TableContract

# Writes the page about the tables of a schema, with what readers are told, to a file.
Report: TypeAlias = Callable[[Session, str, PublicationStatus, Path], None]


class Shelf(ABC):
    """The tables that readers of an installation see.

    Attributes:
        settings: The installation.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @abstractmethod
    def publish(
        self,
        rules: Publication,
        as_of_date: date,
        *,
        code_hash: str,
        report: Report | None = None,
        contracts: Mapping[str, TableContract] | None = None,
    ) -> Generation:
        """Put the public tables of the warehouse in place, if the verdict on them allows it.

        Args:
            rules: How many customers may vanish, how many generations stay.
            as_of_date: The day of the run.
            code_hash: What `provenance.code_hash` says now; a verdict on something else is none.
            report: Writes the report; none is made without it.
            contracts: What tables promise, by name; by default what the project declares.

        Raises:
            PublicationHeld: The verdict does not allow it, a table breaks its contract, too many
                customers would vanish, or what is published cannot be judged.
            WarehouseError: There is nothing to publish, or it cannot be put in place.
        """

    @abstractmethod
    def hold(
        self,
        refused_day: date,
        reason: str,
        *,
        held_by: Sequence[str] = (),
        report: Report | None = None,
    ) -> Holding:
        """Tell readers that the tables of a day did not come; those they have stay as they are.

        Raises:
            WarehouseError: What is published cannot be read, or, after readers were told, the
                report could not be written.
        """

    @abstractmethod
    def rollback(self, generation: str | None = None, *, report: Report | None = None) -> Holding:
        """Show an older generation again; by default the one published before the present one.

        Raises:
            WarehouseError: There is no such generation, it is served already, or it is damaged;
                or, after it was put back, the report could not be written.
        """

    @abstractmethod
    def kept(self) -> tuple[KeptGeneration, ...]:
        """List the generations in the order in which they were published, newest first."""

    @abstractmethod
    def current(self) -> Generation | None:
        """Read what is published now; None when nothing is.

        Raises:
            WarehouseError: It cannot be read.
        """

    @abstractmethod
    def status(self) -> PublicationStatus:
        """Read what readers are told.

        Raises:
            WarehouseError: Nothing is published, or it cannot be read.
        """

    @abstractmethod
    def opened(self) -> AbstractContextManager[Session]:
        """Open what readers see: a session with the schema `published`.

        Raises:
            WarehouseError: It cannot be opened.
        """

    @abstractmethod
    def beside(self, session: Session) -> AbstractContextManager[str]:
        """Let a session of the warehouse see what readers see; give the name of the schema."""

    @abstractmethod
    def leave_out_erased(self) -> int:
        """Show the same tables once more without the rows of erased people, and no older ones.

        Returns:
            How many rows were left out; 0 if there were none, and nothing is changed then.

        Raises:
            WarehouseError: Tables cannot be read, written or removed.
        """

    @abstractmethod
    def forget_past(self) -> int:
        """Remove every generation but the present one; give their number.

        Raises:
            WarehouseError: One cannot be removed.
        """

    @abstractmethod
    def places(self, rules: Publication) -> dict[str, Path | str]:
        """Say where readers find what: the tables first."""

    @abstractmethod
    def kinds(self, rules: Publication) -> set[str]:
        """Name the technologies that readers meet."""
