"""What happens to what is published when nothing new may be, or when a person takes it back.

Readers are told that the tables are not as new as they should be: the row `publication_status`
and the report are made anew around the same tables, which are not touched. What readers see
changes in one step, as with a new generation (`orchestration.publication`).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from orchestration.generations import (
    DATABASE_FILE,
    PARQUET,
    REPORT_FILE,
    Place,
    clean,
    damaged_files,
    link_or_copy,
    new_staging,
    past_places,
    put_in_place,
    read_generation,
    seal,
    served,
)
from orchestration.publication_status import (
    SCHEMA,
    STATUS_TABLE,
    PublicationStatus,
    read_status,
    write_status,
)
from orchestration.verification import verify_written
from orchestration.warehouse import WarehouseError, attach, open_scratch, write_parquet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

ROLLBACK = "rollback"


@dataclass(frozen=True)
class Holding:
    """What readers are told now.

    Attributes:
        status: The row they read; None if nothing was ever published.
        is_new: Whether it was changed.
        message: The same in one line.
    """

    status: PublicationStatus | None
    is_new: bool
    message: str


@dataclass(frozen=True)
class KeptGeneration:
    """A generation that is still on disk."""

    generation: str
    as_of_date: date
    is_served: bool


def hold(
    target: Path,
    refused_day: date,
    reason: str,
    *,
    held_by: Sequence[str] = (),
    report: Callable[[Path, Path], None] | None = None,
    reached: Callable[[str], None] = lambda _: None,
) -> Holding:
    """Tell readers that the tables of a day did not come; the tables they have stay as they are.

    Args:
        target: The directory that readers know.
        refused_day: The day whose tables were refused, or could not be made.
        reason: Why, in one line without anybody's data.
        held_by: Names of the checks that refused it, if checks did.
        report: Writes the report of a database to a file; without it the old one stays.
        reached: Told the name of every step done; tests end the process there.

    Raises:
        WarehouseError: What is published cannot be read, or, after readers were told, the report
            could not be written.
    """
    place = served(target)
    if place is None:
        clean(target)
        return Holding(None, is_new=False, message=f"nothing is published yet; held: {reason}")
    old = read_status(place.database)
    status = held_status(old, refused_day, reason, held_by)
    message = f"readers keep the tables as of {old.as_of_date}: {reason}"
    if status == old:
        clean(target)
        return Holding(old, is_new=False, message=message)
    _put_again(target, place, status, report, reached)
    return Holding(status, is_new=True, message=message)


def rollback(
    target: Path,
    generation: str | None = None,
    *,
    report: Callable[[Path, Path], None] | None = None,
    reached: Callable[[str], None] = lambda _: None,
) -> Holding:
    """Let readers see an older generation again, until the next one is published.

    Args:
        target: The directory that readers know.
        generation: Which one; by default the one that was published before the present one.
        report: Writes the report of a database to a file; without it the old one is shown.
        reached: Told the name of every step done; tests end the process there.

    Raises:
        WarehouseError: There is no such generation, it is served already, or it is damaged; or,
            after it was put back, the report could not be written.
    """
    now = served(target)
    place = _chosen(target, now, generation)
    damaged = damaged_files(place)
    if damaged:
        raise WarehouseError(
            f"{place.path.name} is not as it was published ({damaged[0]}): choose another one"
        )
    status = read_status(place.database)
    if now is not None:
        # Not from its database: a damaged one is a reason to go back.
        listed = now.manifest()
        days = [listed[name] for name in ("as_of_date", "held_as_of") if listed.get(name)]
        status = taken_back(status, now.generation, [date.fromisoformat(day) for day in days])
    _put_again(target, place, status, report, reached)
    return Holding(
        status, is_new=True, message=f"readers see the tables as of {status.as_of_date} again"
    )


def held_status(
    old: PublicationStatus, refused_day: date, reason: str, held_by: Sequence[str]
) -> PublicationStatus:
    """Say of the tables that readers have that those of a day did not come."""
    last = max(refused_day, old.held_as_of or refused_day)
    return replace(
        old,
        is_held=True,
        held_since=min(refused_day, old.held_since or refused_day),
        held_as_of=last,
        held_by=", ".join(held_by) or None,
        held_reason=reason,
        days_behind=max(0, (last - old.as_of_date).days),
    )


def taken_back(
    status: PublicationStatus, in_place_of: str, days: Sequence[date]
) -> PublicationStatus:
    """Say of an older generation what it stands in for.

    Args:
        status: What is said of the older one.
        in_place_of: The generation that is served until now.
        days: Its day and the last day that it was held on, as far as they are known.
    """
    known = [status.as_of_date, *days]
    return replace(
        status,
        is_held=True,
        held_since=max(known[:2]),
        held_as_of=max(known),
        held_by=ROLLBACK,
        held_reason=f"put back by hand in the place of generation {in_place_of}",
        days_behind=(max(known) - status.as_of_date).days,
    )


def kept_generations(target: Path) -> tuple[KeptGeneration, ...]:
    """List the generations on disk in the order in which they were published, newest first."""
    now = served(target)
    found = [
        KeptGeneration(
            place.generation,
            date.fromisoformat(place.manifest()["as_of_date"]),
            is_served=now is not None and place.generation == now.generation,
        )
        for place in sorted(_newest(target), key=_published_as, reverse=True)
        if place.manifest()
    ]
    return tuple(found)


def _newest(target: Path) -> list[Place]:
    """The newest directory of each generation."""
    return list({place.generation: place for place in past_places(target)}.values())


def _published_as(place: Place) -> int:
    """When it was published first, counted in changes of what readers see."""
    return int(place.manifest().get("published_as", place.sequence))


def _chosen(target: Path, now: Place | None, generation: str | None) -> Place:
    """Find the generation that is asked for."""
    if now is not None and now.generation == generation:
        raise WarehouseError(f"{generation} is what readers see already")
    others = [place for place in _newest(target) if now is None or place.path != now.path]
    if generation is None and now is not None:
        others = [place for place in others if _published_as(place) < _published_as(now)]
    if generation is not None:
        others = [place for place in others if place.generation == generation]
    if not others:
        known = ", ".join(kept.generation for kept in kept_generations(target)) or "none"
        raise WarehouseError(f"there is no such older generation; on disk: {known}")
    return max(others, key=_published_as)


def _put_again(
    target: Path,
    place: Place,
    status: PublicationStatus,
    report: Callable[[Path, Path], None] | None,
    reached: Callable[[str], None],
) -> None:
    """Put the tables of a generation in place with another status."""
    about = {"published_as": _published_as(place)}
    about["results_hash"] = place.manifest().get("results_hash")
    staging = new_staging(target)
    reached("staging_made")
    has_parquet = _stage_again(place, staging, status)
    reached("database_staged")
    database, parquet = staging / DATABASE_FILE, staging / PARQUET
    tables = read_generation(database).tables
    verify_written(database, parquet if has_parquet else None, tables, status)
    reached("verified")
    trouble = _report_again(place, staging, report)
    reached("report_staged")
    seal(target, {**status.listed(), **about})
    reached("sealed")
    put_in_place(target, status.generation, reached)
    clean(target)
    if trouble is not None:
        raise WarehouseError(
            f"the report could not be written ({type(trouble).__name__}) and stays the old one;"
            f" {STATUS_TABLE} tells that the tables are not new"
        ) from trouble


def _stage_again(place: Place, staging: Path, status: PublicationStatus) -> bool:
    """Copy the database, change its one row, and show the same Parquet files."""
    shutil.copyfile(place.database, staging / DATABASE_FILE)
    has_parquet = (place.path / PARQUET).is_dir()
    status_file = f"{STATUS_TABLE}.parquet"
    with open_scratch() as session:
        attach(session, staging / DATABASE_FILE, "next_database", read_only=False)
        write_status(session, "next_database", status)
        if has_parquet:
            query = f"select * from next_database.{SCHEMA}.{STATUS_TABLE}"
            write_parquet(session, query, staging / PARQUET / status_file)
        session.run("detach next_database")
    if not has_parquet:
        (staging / PARQUET).rmdir()
        return False
    for path in sorted((place.path / PARQUET).glob("*.parquet")):
        if path.name != status_file:
            link_or_copy(path, staging / PARQUET / path.name)
    return True


def _report_again(
    place: Place, staging: Path, report: Callable[[Path, Path], None] | None
) -> Exception | None:
    """Write the report anew; one that cannot be written must not hide that tables are held."""
    trouble = None
    if report is not None:
        try:
            report(staging / DATABASE_FILE, staging / REPORT_FILE)
        except Exception as error:  # noqa: BLE001 - told when readers know
            trouble = error
            (staging / REPORT_FILE).unlink(missing_ok=True)
    old = place.path / REPORT_FILE
    if old.is_file() and not (staging / REPORT_FILE).is_file():
        link_or_copy(old, staging / REPORT_FILE)
    return trouble
