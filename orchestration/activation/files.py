"""A destination that is a folder: one directory per delivery, which whoever reads it fetches.

    <root>/<audience>/2026-06-30-5f0e...-9a31.../
      members.csv, additions.csv, removals.csv      all members, and what changed
      manifest.json                                  last: without it the directory is not there

Additions hold new members and those of whom something else is sent now; removals come first. The
directory of the delivery before is removed: it names people who left. So does a removal, which is
why the next delivery writes the lists again even if nothing changed. How texts are made safe for
spreadsheets is the business of `orchestration.activation.cells`.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from orchestration.activation.cells import safe_cell
from orchestration.activation.destinations import DestinationError, Outcome, plain
from orchestration.generations import file_hash
from orchestration.warehouse import (
    EngineError,
    literal,
    open_scratch,
    quoted,
    read_parquet,
    write_parquet,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path

    from orchestration.activation.destinations import Batch, State

Format = Literal["csv", "jsonl", "parquet"]
FORMATS: tuple[Format, ...] = ("csv", "jsonl", "parquet")
Member: TypeAlias = "tuple[str, tuple[Any, ...]]"

MANIFEST_FILE = "manifest.json"
PART = ".part"
KEY_COLUMN = "member_key"
LINE_END = "\r\n"
FIRST_CELL = re.compile(r'"((?:[^"]|"")*)"')


@dataclass(frozen=True)
class FolderOfFiles:
    """Writes deliveries below a directory.

    Attributes:
        root: The directory of the destination.
        form: How lists are written. CSV is for spreadsheets; programs read the others.
        reached: Told the steps, in order: cleaned, written, lists_in_place, sealed, tidied.
    """

    root: Path
    form: Format = "csv"
    reached: Callable[[str], None] = lambda _: None

    @property
    def batch_size(self) -> int | None:
        """A delivery is one directory."""
        return None

    def state_of(self, audience: str) -> State:
        """A directory that names people who left is stale from the next delivery on.

        One of a stopped list, written when there were no members to keep, misses them until the
        list is let go.
        """
        complete = self.complete(audience)
        if not complete:
            return "missing"
        files = read_manifest(complete[-1])["files"]
        if files[f"removals.{self.form}"]["rows"]:
            return "stale"
        return "current" if f"members.{self.form}" in files else "missing"

    def deliver(self, batch: Batch) -> Iterator[Outcome]:
        """Write a delivery; every row of one that is complete is accepted.

        Raises:
            DestinationError: The directory cannot be written.
        """
        try:
            keys = self._deliver(batch)
        except (OSError, EngineError) as error:
            raise DestinationError(
                f"the folder of {batch.delivery.destination} cannot be written"
                f" ({type(error).__name__}): check its space and its rights"
            ) from error
        return (Outcome(key, "accepted") for key in keys)

    def complete(self, audience: str) -> list[Path]:
        """List the complete deliveries of an audience, oldest first."""
        found = self._folders(audience)
        return sorted(
            (path for path in found if (path / MANIFEST_FILE).exists()),
            key=lambda path: read_manifest(path)["run_number"],
        )

    def _deliver(self, batch: Batch) -> list[str]:
        delivery = batch.delivery
        day = delivery.as_of_date.isoformat()
        name = f"{day}-{_short(delivery.generation)}-{batch.key[:16]}"
        home = self.root / delivery.audience
        home.mkdir(parents=True, exist_ok=True)
        place = home / name
        self._clean(delivery.audience)
        self.reached("cleaned")
        if (place / MANIFEST_FILE).exists():
            # It was delivered, and nobody came to hear of it.
            return [row.idempotency_key for row in batch.rows]
        before = self.complete(delivery.audience)
        place.mkdir(mode=0o750)
        keys, rows = self._write_lists(place, batch, before[-1] if before else None)
        self.reached("written")
        for part in sorted(place.glob(f"*{PART}")):
            part.replace(part.with_suffix(""))
        _sync(place)
        self.reached("lists_in_place")
        _seal(place, batch, rows)
        _sync(home)
        self.reached("sealed")
        for path in before:
            _remove(path)
        self.reached("tidied")
        return keys

    def _folders(self, audience: str) -> list[Path]:
        return [path for path in (self.root / audience).glob("*") if path.is_dir()]

    def _clean(self, audience: str) -> None:
        """Remove what killed runs left: deliveries that are not complete, or not the last."""
        for path in self._folders(audience):
            if not (path / MANIFEST_FILE).exists():
                shutil.rmtree(path)
        for path in self.complete(audience)[:-1]:
            _remove(path)

    def _write_lists(
        self, place: Path, batch: Batch, before: Path | None
    ) -> tuple[list[str], dict[str, int]]:
        """Write the lists.

        Returns:
            The keys of the changes, and by name of a file the number of its rows.
        """
        keys: list[str] = []
        removed: set[str] = set()
        with ExitStack() as stack:
            names = tuple(name for name, _ in batch.columns)
            added_to = stack.enter_context(_writer(place, "additions", self.form, names))
            removed_to = stack.enter_context(_writer(place, "removals", self.form, ()))
            for row in batch.rows:
                keys.append(row.idempotency_key)
                if row.operation == "remove":
                    removed.add(row.member_key)
                    removed_to(row.member_key, ())
                else:
                    added_to(row.member_key, row.values)
        lists = {"additions": len(keys) - len(removed), "removals": len(removed)}
        if self.form == "parquet":
            _to_parquet(place, "additions", batch.columns)
            _to_parquet(place, "removals", ())
        if batch.members is not None:
            with _writer(place, "members", self.form, names) as member_to:
                lists["members"] = _write_all(member_to, batch.members)
            if self.form == "parquet":
                _to_parquet(place, "members", batch.columns)
        elif before is not None and (before / f"members.{self.form}").exists():
            lists["members"] = _without(before, place, self.form, removed)
        for path in place.iterdir():
            path.chmod(0o640)
            _sync(path)
        return keys, {f"{name}.{self.form}": rows for name, rows in lists.items()}


def file_format(name: str) -> Format:
    """Take the name of a format for one.

    Raises:
        DestinationError: It is none.
    """
    for form in FORMATS:
        if form == name:
            return form
    raise DestinationError(f"lists cannot be written like that: use one of {', '.join(FORMATS)}")


def read_manifest(place: Path) -> dict[str, Any]:
    """Read what a complete delivery says of itself.

    Raises:
        DestinationError: It says nothing that can be read.
    """
    try:
        return json.loads((place / MANIFEST_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DestinationError(
            f"the manifest of {place.name} cannot be read: remove the directory"
        ) from error


def _short(generation: str) -> str:
    return re.sub(r"[^0-9A-Za-z]", "", generation)[:16] or "0"


def _part(place: Path, name: str, form: Format) -> Path:
    return place / f"{name}.{form}{PART}"


def _lines_of(place: Path, name: str) -> Path:
    """Where the rows of a list lie before they become a Parquet file."""
    return place / f"{name}.rows"


@contextmanager
def _writer(
    place: Path, name: str, form: Format, columns: tuple[str, ...]
) -> Generator[Callable[[str, tuple[Any, ...]], None]]:
    """Open a list for writing; give what writes a member into it."""
    path = _lines_of(place, name) if form == "parquet" else _part(place, name, form)
    header = (KEY_COLUMN, *columns)
    with path.open("w", encoding="utf-8", newline="") as file:
        cells = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator=LINE_END)

        def write_cells(key: str, values: tuple[Any, ...]) -> None:
            cells.writerow([safe_cell(value) for value in (key, *values)])

        def write_line(key: str, values: tuple[Any, ...]) -> None:
            known = dict(zip(header, map(plain, (key, *values)), strict=True))
            file.write(json.dumps(known, ensure_ascii=False) + "\n")

        if form == "csv":
            cells.writerow([safe_cell(column) for column in header])
        yield write_cells if form == "csv" else write_line


def _write_all(write: Callable[[str, tuple[Any, ...]], None], members: Iterable[Member]) -> int:
    written = 0
    for key, values in members:
        write(key, values)
        written += 1
    return written


def _to_parquet(place: Path, name: str, columns: tuple[tuple[str, str], ...]) -> None:
    """Turn the rows of a list into a Parquet file, in the same order."""
    kinds = ((KEY_COLUMN, "VARCHAR"), *columns)
    texts = ", ".join(f"{literal(column)}: 'VARCHAR'" for column, _ in kinds)
    casts = ", ".join(
        f"cast({quoted(column)} as {kind}) as {quoted(column)}" for column, kind in kinds
    )
    rows = _lines_of(place, name)
    with open_scratch(threads=1) as session:
        source = f"read_json({literal(rows)}, format = 'newline_delimited', columns = {{{texts}}})"
        write_parquet(session, f"select {casts} from {source}", _part(place, name, "parquet"))
    rows.unlink()


def _without(before: Path, place: Path, form: Format, removed: set[str]) -> int:
    """Write the members of the delivery before once more, without those who are removed."""
    old, new = before / f"members.{form}", _part(place, "members", form)
    if form == "parquet":
        return _parquet_without(old, new, removed)
    leaving = {str(safe_cell(key)) for key in removed} if form == "csv" else removed
    kept = 0
    with (
        old.open(encoding="utf-8", newline="") as source,
        new.open("w", encoding="utf-8", newline="") as target,
    ):
        records = (
            _csv_records(source) if form == "csv" else ((_json_key(line), line) for line in source)
        )
        if form == "csv":
            target.write(next(records)[1])
        for key, text in records:
            if key not in leaving:
                target.write(text)
                kept += 1
    return kept


def _parquet_without(old: Path, new: Path, removed: set[str]) -> int:
    with open_scratch(threads=1) as session:
        session.run("create table removed as select unnest(?::varchar[]) as key", [sorted(removed)])
        kept = (
            f"select * from {read_parquet(old)}"
            f" where {KEY_COLUMN} not in (select key from removed) order by {KEY_COLUMN}"
        )
        write_parquet(session, kept, new)
        return session.fetch(f"select count(*) from {read_parquet(new)}")[0][0]


def _json_key(line: str) -> str:
    return json.loads(line)[KEY_COLUMN]


def _csv_records(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Cut a file of ours into records as they stand there, each with the text of its first cell."""
    record = ""
    for line in lines:
        record += line
        if record.count('"') % 2 == 0 and record.endswith(LINE_END):
            first = FIRST_CELL.match(record)
            yield (first[1].replace('""', '"') if first else ""), record
            record = ""


def _seal(place: Path, batch: Batch, rows: dict[str, int]) -> None:
    """Say what is there; from now on it is there."""
    delivery = batch.delivery
    manifest = {
        "audience": delivery.audience,
        "destination": delivery.destination,
        "as_of_date": delivery.as_of_date.isoformat(),
        "generation": delivery.generation,
        "run_number": batch.run_number,
        "delivery_key": batch.key,
        "columns": {KEY_COLUMN: "VARCHAR", **dict(batch.columns)},
        "files": {
            name: {
                "rows": count,
                "bytes": (place / name).stat().st_size,
                "sha256": file_hash(place / name),
            }
            for name, count in sorted(rows.items())
        },
    }
    part = place / f"{MANIFEST_FILE}{PART}"
    part.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    part.chmod(0o640)
    _sync(part)
    part.replace(place / MANIFEST_FILE)
    _sync(place)


def _remove(path: Path) -> None:
    """Remove a delivery so that half of one is never taken for a whole."""
    (path / MANIFEST_FILE).unlink()
    _sync(path)
    shutil.rmtree(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
