"""Where files of generations lie, how one becomes what readers see, how long old ones are kept.

    published/
      lifestage.duckdb, parquet, report.html, manifest.json     names that stay: links into current
      current -> generations/000012-5f0e...                      swapped in one step
      generations/000011-9a31..., generations/000012-5f0e...     complete, never written to again

Everything that readers open lies behind the one link, so that database, Parquet files, report and
manifest change together. What the files contain is the business of `orchestration.publication`
and `orchestration.holding`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.publication_status import SCHEMA
from orchestration.warehouse import WarehouseError, open_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import date
    from pathlib import Path

    from orchestration.warehouse import Session

DATABASE_FILE = "lifestage.duckdb"
PARQUET = "parquet"
REPORT_FILE = "report.html"
MANIFEST_FILE = "manifest.json"
NAMES = (DATABASE_FILE, PARQUET, REPORT_FILE, MANIFEST_FILE)
CURRENT = "current"
GENERATIONS = "generations"
STAGING = ".next"
NEW_LINK = f"{CURRENT}.next"
PLACE = re.compile(r"(\d{6})-([0-9a-f]{16})")


@dataclass(frozen=True)
class TableContent:
    """One table of a generation."""

    name: str
    rows: int
    column_hash: str
    content_hash: str
    kind: str = "content"


@dataclass(frozen=True)
class Generation:
    """What was put in place."""

    generation: str
    as_of_date: date
    tables: tuple[TableContent, ...]
    is_new: bool


@dataclass(frozen=True)
class Place:
    """The directory of a generation; the same one may be put in place more than once."""

    path: Path
    sequence: int
    generation: str

    @property
    def database(self) -> Path:
        """Its database."""
        return self.path / DATABASE_FILE

    def manifest(self) -> dict[str, Any]:
        """Read its list of files; empty if there is none that can be read."""
        try:
            found = json.loads((self.path / MANIFEST_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def places(target: Path) -> list[Place]:
    """List the directories of generations, oldest first."""
    found = []
    for path in _folders(target):
        named = PLACE.fullmatch(path.name)
        if named:
            found.append(Place(path, int(named[1]), named[2]))
    return sorted(found, key=lambda place: place.sequence)


def past_places(target: Path) -> list[Place]:
    """List the directories that readers see or saw; not one that a killed run left unseen."""
    now = served(target)
    return [place for place in places(target) if now is None or place.sequence <= now.sequence]


def served(target: Path) -> Place | None:
    """Return what readers see; None when nothing is published."""
    inside = (target / CURRENT).resolve()
    return next((place for place in places(target) if place.path.resolve() == inside), None)


def published_generation(target: Path) -> Generation | None:
    """Read what is published now; None when nothing is.

    Raises:
        WarehouseError: The published database cannot be read.
    """
    database = target / DATABASE_FILE
    return read_generation(database) if database.exists() else None


def read_generation(database: Path) -> Generation:
    """Read what a published database consists of.

    Raises:
        WarehouseError: The file cannot be read, or does not say.
    """
    with open_database(database, read_only=True) as session:
        found = generation_in(session, database.stem, SCHEMA)
    if found is None:
        raise WarehouseError(f"{database.name} has no manifest: publish again")
    return found


def generation_in(session: Session, database: str, schema: str) -> Generation | None:
    """Read what the tables of a schema consist of; None if they do not say."""
    columns = {name for name, _, _ in session.columns(database, schema, "manifest")}
    kind = "kind" if "kind" in columns else "'content'"  # files of earlier versions
    query = (
        "select generation, as_of_date, table_name, row_count, column_hash, content_hash,"
        f" {kind} from {schema}.manifest order by table_name"
    )
    rows = session.fetch(query) if columns else []
    tables = tuple(TableContent(*row[2:]) for row in rows)
    return Generation(rows[0][0], rows[0][1], tables, is_new=False) if rows else None


def generation_name(as_of_date: date, tables: Iterable[TableContent]) -> str:
    """Name a generation by what it contains; records of checks do not count."""
    parts = sorted(
        f"{table.name} {table.column_hash} {table.content_hash}"
        for table in tables
        if table.kind == "content"
    )
    content = "\n".join((as_of_date.isoformat(), *parts))
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def new_staging(target: Path) -> Path:
    """Make the directory in which the next generation is written."""
    clean(target)
    staging = target / STAGING
    (staging / PARQUET).mkdir(parents=True)
    return staging


def seal(target: Path, about: dict[str, Any]) -> None:
    """List the staged files with their hashes, the list last, and make sure the disk has them.

    Args:
        target: The directory that readers know.
        about: What else the list says.
    """
    staging = target / STAGING
    files = {
        path.relative_to(staging).as_posix(): {
            "sha256": file_hash(path),
            "bytes": path.stat().st_size,
        }
        for path in _files(staging)
    }
    manifest = {**about, "sequence": _next_sequence(target), "files": files}
    text = json.dumps({"published_as": manifest["sequence"], **manifest}, indent=2)
    (staging / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")
    for path in _files(staging):
        # Readers who open the database for writing would lock everybody else out.
        path.chmod(0o444)
        _sync(path)
    for folder in (staging / PARQUET, staging):
        if folder.is_dir():
            _sync(folder)


def put_in_place(target: Path, generation: str, reached: Callable[[str], None]) -> None:
    """Let readers see what was staged and sealed, in one step."""
    home = target / GENERATIONS
    home.mkdir(exist_ok=True)
    place = home / f"{_next_sequence(target):06}-{generation}"
    (target / STAGING).replace(place)
    _sync(home)
    reached("generation_kept")
    link = target / NEW_LINK
    link.symlink_to(place.relative_to(target), target_is_directory=True)
    reached("link_made")
    link.replace(target / CURRENT)
    _sync(target)
    reached("in_place")
    _name_files(target)
    reached("named")


def clean(target: Path, keep: int | None = None) -> None:
    """Remove what a killed run left and, where it is said how many to keep, old generations.

    Of a generation that was put in place several times the newest directory is kept, and always
    the directory before the current one: somebody may be about to open it.

    Args:
        target: The directory that readers know.
        keep: How many generations to keep, the current one included; None to keep them all.
    """
    target.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target / STAGING, ignore_errors=True)
    # A client that opened a database for writing left a log that nobody else could open it with.
    logs = (folder / f"{DATABASE_FILE}.wal" for folder in (target, *_folders(target)))
    for leftover in (*target.glob("*.next"), *logs):
        leftover.unlink(missing_ok=True)
    current = served(target)
    if current is None:
        return
    _name_files(target)
    past = past_places(target)
    newest = {place.generation: place for place in past}  # the last one of each wins
    by_age = sorted(newest.values(), key=lambda place: -place.sequence)
    kept = {place.path for place in (*by_age[:keep], *past[-2:])}
    for path in _folders(target):
        if path not in kept:
            _remove(path, target / STAGING)


def forget_past(target: Path) -> int:
    """Remove everything but what readers see now; nobody can go back any more.

    Args:
        target: The directory that readers know.

    Returns:
        How many directories were removed.
    """
    if not target.is_dir():
        return 0
    clean(target)
    current = served(target)
    past = [path for path in _folders(target) if current is None or path != current.path]
    for path in past:
        _remove(path, target / STAGING)
    return len(past)


def link_or_copy(source: Path, copy: Path) -> None:
    """Show a file that never changes in a second place, without a second copy if possible."""
    try:
        os.link(source, copy)
    except OSError:
        shutil.copyfile(source, copy)


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def damaged_files(place: Place) -> list[str]:
    """Name the files of a generation that are not as its list says."""
    files = place.manifest().get("files")
    if not files:
        return [MANIFEST_FILE]
    return [
        name
        for name, known in files.items()
        if not (place.path / name).is_file() or file_hash(place.path / name) != known["sha256"]
    ]


def _folders(target: Path) -> list[Path]:
    return [path for path in (target / GENERATIONS).glob("*") if path.is_dir()]


def _next_sequence(target: Path) -> int:
    return max((place.sequence for place in places(target)), default=0) + 1


def _name_files(target: Path) -> None:
    """Give readers the names that stay, and none for what the generation does not have."""
    for name in NAMES:
        link = target / name
        if not (target / CURRENT / name).exists():
            if link.is_symlink():
                link.unlink()
            continue
        leads_to = f"{CURRENT}/{name}"
        if not link.is_symlink() or link.readlink().as_posix() != leads_to:
            new_link = target / f"{name}.next"
            new_link.symlink_to(leads_to, target_is_directory=name == PARQUET)
            new_link.replace(link)
    _sync(target)


def _remove(path: Path, aside: Path) -> None:
    """Remove a directory so that a killed run leaves no half generation behind."""
    path.replace(aside)
    shutil.rmtree(aside)


def _files(directory: Path) -> Iterator[Path]:
    return (path for path in sorted(directory.rglob("*")) if path.is_file())


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
