"""Tables that readers see as views of a server: when they change, and what readers are told.

Where the tables lie is in `server_places`, what is written into them in `server_tables`. A new
generation is copied beside the present one, verified, and shown in one step; a run that is killed
leaves readers what they had, and the next one sweeps up. The report stays a file.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestration.erasure.requests import has_requests
from orchestration.generations import REPORT_FILE, generation_name
from orchestration.holding import Holding, KeptGeneration, held_status, taken_back
from orchestration.public_tables import contracts as declared_contracts
from orchestration.publication import named
from orchestration.publication_status import SCHEMA, STATUS_TABLE, status_in
from orchestration.shelf.interface import Report, Shelf
from orchestration.shelf.server_places import (
    SEAL,
    SEAL_TABLE,
    clean,
    forget_past,
    make_table,
    next_place,
    past_places,
    sealed_with,
    served,
    settle_report,
    show,
    staged_report,
    sweep,
)
from orchestration.shelf.server_tables import (
    content_of,
    decided,
    generation_at,
    refuse_changed,
    refuse_vanished,
    stage,
    status_at,
    tell,
    verify,
    without_erased,
)
from orchestration.warehouse import WarehouseError, open_server, transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import date
    from pathlib import Path

    from orchestration.config import Publication
    from orchestration.generations import Generation
    from orchestration.publication_status import PublicationStatus
    from orchestration.settings import Settings
    from orchestration.shelf.server_places import Place
    from orchestration.table_contracts import TableContract
    from orchestration.warehouse import ServerSession, Session


class ServerShelf(Shelf):
    """The schema `published` of the warehouse."""

    def __init__(self, settings: Settings, reached: Callable[[str], None] = lambda _: None) -> None:
        """Take an installation; who passes `reached` is told the name of every step done."""
        super().__init__(settings)
        self._reached = reached
        self._target = settings.published_dir

    def publish(
        self,
        rules: Publication,
        as_of_date: date,
        *,
        code_hash: str,
        report: Report | None = None,
        contracts: Mapping[str, TableContract] | None = None,
    ) -> Generation:
        """Copy the public tables and let the views show the copy."""
        with self._swept() as session:
            if self.settings.server.reader:
                session.make_reader(self.settings.server.reader)
            # All of it is read in one moment, where the engine can.
            with transaction(session):
                decision, tables = decided(session, as_of_date, code_hash)
                made, status, about = named(decision, tables)
                seal = json.dumps(about, sort_keys=True)
                now = served(session)
                is_in_place = now is not None and self._shows(session, now, status, seal, report)
                place = next_place(session, made.generation)
                if now is not None and not is_in_place:
                    refuse_vanished(session, now, rules.max_removed_share)
                if not is_in_place:
                    stage(session, place, made, status)
                    self._reached("staged")
            if is_in_place:
                clean(session, rules.keep_generations)
                return replace(made, is_new=False)
            self._reached("kept")
            promised = declared_contracts() if contracts is None else contracts
            verify(session, place, made, status, promised)
            self._reached("verified")
            if report is not None:
                report(session, place.schema, status, staged_report(self._target, place, status))
                self._reached("report_staged")
            self._put_in_place(session, place, seal)
            if report is None:
                (self._target / REPORT_FILE).unlink(missing_ok=True)
            clean(session, rules.keep_generations)
        return made

    def hold(
        self,
        refused_day: date,
        reason: str,
        *,
        held_by: Sequence[str] = (),
        report: Report | None = None,
    ) -> Holding:
        """Change the one row of the generation that readers see."""
        with self._swept() as session:
            place = served(session)
            if place is None:
                message = f"nothing is published yet; held: {reason}"
                return Holding(None, is_new=False, message=message)
            old = status_at(session, place)
            status = held_status(old, refused_day, reason, held_by)
            message = f"readers keep the tables as of {old.as_of_date}: {reason}"
            if status == old:
                return Holding(old, is_new=False, message=message)
            trouble = self._stage_report(session, place, status, report)
            session.in_one_step(SCHEMA, lambda: tell(session, place, status))
            self._reached("in_place")
            self._settle(session, trouble)
        return Holding(status, is_new=True, message=message)

    def rollback(self, generation: str | None = None, *, report: Report | None = None) -> Holding:
        """Let the views show an older generation, which says that it was put back."""
        with self._swept() as session:
            now = served(session)
            place = _chosen(session, now, generation)
            refuse_changed(session, place, generation_at(session, place), "choose another one")
            status = status_at(session, place)
            if now is not None:
                told = status_in(session, now.schema)
                days = [day for day in (told.as_of_date, told.held_as_of) if day] if told else []
                status = taken_back(status, now.generation, days)
            trouble = self._stage_report(session, place, status, report)

            def put_back() -> None:
                tell(session, place, status)
                show(session, place, self.settings.server.reader)

            session.in_one_step(SCHEMA, put_back)
            self._reached("in_place")
            self._settle(session, trouble)
        message = f"readers see the tables as of {status.as_of_date} again"
        return Holding(status, is_new=True, message=message)

    def kept(self) -> tuple[KeptGeneration, ...]:
        """List the generations that are still there."""
        with open_server(self.settings) as session:
            now = served(session)
            newest = {place.generation: place for place in past_places(session)}
            return tuple(
                KeptGeneration(
                    place.generation,
                    generation_at(session, place).as_of_date,
                    is_served=now is not None and place.generation == now.generation,
                )
                for place in sorted(newest.values(), key=lambda place: -place.sequence)
            )

    def current(self) -> Generation | None:
        """Read the manifest behind the views."""
        with open_server(self.settings) as session:
            place = served(session)
            return None if place is None else generation_at(session, place)

    def status(self) -> PublicationStatus:
        """Read the row behind the view."""
        with open_server(self.settings) as session:
            place = served(session)
            if place is None:
                raise WarehouseError("nothing is published yet: run `lifestage refresh`")
            return status_at(session, place)

    def opened(self) -> AbstractContextManager[Session]:
        """Open the warehouse, in which the views are."""
        return open_server(self.settings)

    @contextmanager
    def beside(self, session: Session) -> Generator[str]:
        """Name the schema: the session sees it already."""
        del session
        yield SCHEMA

    def leave_out_erased(self) -> int:
        """Copy what readers see without the rows, and drop what they saw."""
        with self._swept() as session:
            now = served(session)
            if now is None or not has_requests(session, session.database, only_open=True):
                return 0
            with transaction(session):
                made = generation_at(session, now)
                sources, rows = without_erased(session, now, made)
                if not rows:
                    return 0
                tables = tuple(
                    content_of(session, sources[part.name], part.kind) for part in made.tables
                )
                name = generation_name(made.as_of_date, tables)
                made = replace(made, generation=name, tables=tables)
                status = replace(status_at(session, now), generation=name)
                place = next_place(session, name)
                stage(session, place, made, status, sources)
            refuse_changed(session, place, made, "run `lifestage refresh` again")
            about = json.loads(sealed_with(session, now) or "{}") | status.listed()
            # The report shows sums only, so it stays.
            self._put_in_place(session, place, json.dumps(about, sort_keys=True))
            forget_past(session)
        return rows

    def forget_past(self) -> int:
        """Drop the schemas of older generations."""
        with self._swept() as session:
            return forget_past(session)

    def places(self, rules: Publication) -> dict[str, Path | str]:
        """Name the schema and the report."""
        server = self.settings.server
        database = f" of the database {server.database}" if server.database else ""
        found: dict[str, Path | str] = {
            "database": f"the schema {SCHEMA}{database} on {server.host}"
        }
        if rules.report:
            found["report"] = self._target / REPORT_FILE
        return found

    def kinds(self, rules: Publication) -> set[str]:
        """Name the engine."""
        del rules
        return {self.settings.target}

    @contextmanager
    def _swept(self) -> Generator[ServerSession]:
        """Open the server, without what a killed run left."""
        self._target.mkdir(parents=True, exist_ok=True)
        with open_server(self.settings) as session:
            sweep(session, self._target)
            yield session

    def _shows(
        self,
        session: ServerSession,
        place: Place,
        status: PublicationStatus,
        seal: str,
        report: Report | None,
    ) -> bool:
        """Tell whether readers already see this, with a report if that is asked for."""
        return (
            place.generation == status.generation
            and (self._target / REPORT_FILE).is_file() == (report is not None)
            and sealed_with(session, place) == seal
            and status_in(session, place.schema) == status
        )

    def _put_in_place(self, session: ServerSession, place: Place, seal: str) -> None:
        """Let readers see a generation that was staged."""

        def put() -> None:
            show(session, place, self.settings.server.reader)
            make_table(session, f"{place.schema}.{SEAL_TABLE}", SEAL, [(seal,)])
            self._reached("shown")

        session.in_one_step(SCHEMA, put)
        self._reached("in_place")
        settle_report(session, self._target)

    def _stage_report(
        self, session: ServerSession, place: Place, status: PublicationStatus, report: Report | None
    ) -> Exception | None:
        """Write the report anew; one that cannot be written must not hide that tables are held."""
        if report is None:
            return None
        path = staged_report(self._target, place, status)
        try:
            report(session, place.schema, status, path)
        except Exception as error:  # noqa: BLE001 - told when readers know
            path.unlink(missing_ok=True)
            return error
        return None

    def _settle(self, session: ServerSession, trouble: Exception | None) -> None:
        """Put the report in place, or say that there is none."""
        settle_report(session, self._target)
        if trouble is not None:
            raise WarehouseError(
                f"the report could not be written ({type(trouble).__name__}) and stays the old"
                f" one; {STATUS_TABLE} tells that the tables are not new"
            ) from trouble


def _chosen(session: ServerSession, now: Place | None, generation: str | None) -> Place:
    """Find the generation that is asked for."""
    if now is not None and now.generation == generation:
        raise WarehouseError(f"{generation} is what readers see already")
    newest = {place.generation: place for place in past_places(session)}
    others = [place for place in newest.values() if place != now]
    if generation is not None:
        others = [place for place in others if place.generation == generation]
    elif now is not None:
        others = [place for place in others if place.sequence < now.sequence]
    if not others:
        known = ", ".join(newest) or "none"
        raise WarehouseError(f"there is no such older generation; on the server: {known}")
    return max(others, key=lambda place: place.sequence)
