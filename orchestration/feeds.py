"""The loader: configured files become text tables in the raw schema of the warehouse.

It mirrors: what is in the files is in the tables, in one transaction for all feeds; a file that is
gone takes its rows with it, a file that did not change is not read again. It trusts a file or
refuses it whole; single rows are judged later, in SQL (`models/staging/shop`). Rows of people who
are erased are taken out in the same transaction (`orchestration.erasure`).
Reading CSV is in `orchestration.csv_text`, the columns are in `orchestration.contract`.
"""

import glob
import hashlib
import json
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from orchestration.config import (
    DATA_ROOT_PREFIX,
    GLOB_CHARACTERS,
    Config,
    Feed,
    is_inside,
    starting_point,
)
from orchestration.contract import INPUTS, META_COLUMNS, Column, column_names
from orchestration.csv_text import (
    SEPARATOR,
    CsvFile,
    Dialect,
    FileProblemError,
    missing_remedy,
)
from orchestration.erasure.people import Forgotten, forget
from orchestration.settings import Settings
from orchestration.warehouse import (
    EngineError,
    Session,
    keep_table,
    open_scratch,
    open_warehouse,
    read_parquet,
    transaction,
)

Status = Literal["LOADED", "ALREADY_LOADED", "REMOVED", "DUPLICATE_FILE"]
LOADS_TABLE = "_loads"
# The files that were loaded, one row per feed and file.
LOADS = (
    ("feed", "VARCHAR", "The input."),
    ("file", "VARCHAR", "The file, as the configuration names it."),
    ("sha256", "VARCHAR", "A hash of its bytes."),
    ("load_id", "VARCHAR", "A hash of its bytes and of what is configured of the feed."),
    ("row_count", "BIGINT", "Its rows."),
    ("columns", "VARCHAR", "Columns of the contract that it delivers."),
    ("ignored_columns", "VARCHAR", "Columns that nobody reads, as JSON; unknown of old loads."),
)
FLOAT_TYPES = frozenset({"FLOAT", "DOUBLE"})
WHOLE_TYPES = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER"}
    | {"UBIGINT", "UHUGEINT"}
)
MAX_LINE_BYTES = 8 << 20
HASH_CHUNK_BYTES = 1 << 20
# How an exclude rule is asked; {value} is the column as text, ? the bound value of the rule.
EXCLUDE_SQL = {
    "equals": "{value} = ?",
    "starts_with": "starts_with({value}, ?)",
    "contains": "contains({value}, ?)",
    "matches": "regexp_matches({value}, ?)",
    "at_most": "try_cast({value} as decimal(38, 10)) <= cast(? as decimal(38, 10))",
    "at_least": "try_cast({value} as decimal(38, 10)) >= cast(? as decimal(38, 10))",
    "is_empty": "(trim({value}) = '') = ?",
}


class FeedError(Exception):
    """A file that is refused: one line with file, line, column, reason, remedy, never content."""

    def __init__(
        self,
        file: str,
        reason: str,
        remedy: str,
        line: int | None = None,
        column: str | None = None,
    ) -> None:
        self.file = file
        self.reason = reason
        self.remedy = remedy
        self.line = line
        self.column = column
        where = file + (f", line {line}" if line else "") + (f", column {column}" if column else "")
        super().__init__(f"{where}: {reason}: {remedy}")


@dataclass(frozen=True)
class FileLoad:
    """What became of one file."""

    feed: str
    file: str
    status: Status
    rows: int
    sha256: str
    load_id: str


@dataclass(frozen=True)
class LoadReport:
    """What became of all files, in the order of feeds and names, and who was taken out."""

    files: tuple[FileLoad, ...]
    forgotten: Forgotten = field(default_factory=Forgotten)

    def rows(self, status: Status) -> int:
        """Rows of all files with a status."""
        return sum(file.rows for file in self.files if file.status == status)


@dataclass(frozen=True)
class _Rows:
    """Rows of one file as SQL: where they stand and how each column of the raw table is had."""

    relation: str
    path: Path
    columns: dict[str, str]
    values: dict[str, str]
    named: dict[str, str]
    ignored: list[str]
    line: str
    problem: str
    problem_column: str


@dataclass(frozen=True)
class _Source:
    """One feed on its way into the warehouse."""

    name: str
    feed: Feed
    schema: str
    root: Path
    data_root: Path | None
    constants: dict[str, str]

    @property
    def table(self) -> str:
        return f"{_quote(self.schema)}.{_quote(self.name)}"

    @property
    def loads_table(self) -> str:
        return f"{_quote(self.schema)}.{LOADS_TABLE}"

    @property
    def settings_hash(self) -> str:
        """Everything of the configuration that decides what the rows look like."""
        parts = self.feed.model_dump(mode="json", exclude={"path"}) | {"constants": self.constants}
        return _sha256(json.dumps(parts, sort_keys=True))

    def label(self, path: Path) -> str:
        """Name a file the way the configuration does: as seen from where its path starts."""
        start, _ = starting_point(self.feed.path, self.root, self.data_root)
        prefix = "" if start == self.root else DATA_ROOT_PREFIX
        try:
            return prefix + path.relative_to(start).as_posix()
        except ValueError:
            return path.as_posix()


def load_feeds(config: Config, settings: Settings) -> LoadReport:
    """Bring the raw tables to what the configured files hold now.

    Args:
        config: The configuration with its feeds.
        settings: Where the project and the warehouse are.

    Raises:
        FeedError: A file cannot be trusted; nothing is changed then.
        WarehouseError: The warehouse is damaged or in use by another process.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    roots = [settings.project_root.resolve()]
    if settings.data_root:
        roots.append(settings.data_root)
    with open_warehouse(settings, read_only=False) as session, transaction(session):
        report = _mirror(session, config, settings, roots)
        return replace(report, forgotten=forget(session, config))


def _mirror(session: Session, config: Config, settings: Settings, roots: list[Path]) -> LoadReport:
    schema = config.raw_schema
    session.run(f"create schema if not exists {_quote(schema)}")
    keep_table(session, schema, LOADS_TABLE, LOADS)
    files: list[FileLoad] = []
    for name, feed in sorted(config.feeds.items()):
        implied = {"currency": config.currency} if "currency" in column_names(name) else {}
        source = _Source(
            name=name,
            feed=feed,
            schema=schema,
            root=settings.project_root,
            data_root=settings.data_root,
            constants=implied | feed.constants,
        )
        files += _mirror_feed(session, source, roots, settings.home)
    files += _drop_feeds(session, schema, set(config.feeds))
    return LoadReport(tuple(files))


def _mirror_feed(
    session: Session, source: _Source, roots: list[Path], home: Path
) -> list[FileLoad]:
    """Load new files, keep unchanged ones, remove the rows of those that are gone."""
    _create_table(session, source)
    # Without transactions a run that broke off leaves rows of a file that it did not note.
    session.run(
        f"delete from {source.table} where _file not in"
        f" (select file from {source.loads_table} where feed = ?)",
        [source.name],
    )
    known, shapes = _known_loads(session, source)
    paths = {source.label(path): path for path in _matching_files(source, roots)}
    wanted = _wanted_loads(source, paths, known)
    kept = {load.file for load in wanted if load.status == "ALREADY_LOADED"}
    for file in sorted(known.keys() - kept):
        _delete(session, source, file)
    shapes = {file: shape for file, shape in shapes.items() if file in kept}
    done: list[FileLoad] = []
    for load in wanted:
        if load.status != "LOADED":
            done.append(load)
            continue
        rows, shapes[load.file] = _load_file(
            session, source, paths[load.file], load, shapes=shapes, home=home
        )
        done.append(replace(load, rows=rows))
    gone = [replace(known[file], status="REMOVED") for file in sorted(known.keys() - paths.keys())]
    return done + gone


def _create_table(session: Session, source: _Source) -> None:
    """Make the table of a feed; a table that somebody else made is not touched."""
    columns = [(name, "varchar") for name in column_names(source.name)] + list(META_COLUMNS)
    present = [name for name, _, _ in session.columns(session.database, source.schema, source.name)]
    if present and present != [name for name, _ in columns]:
        if not _known_loads(session, source)[0]:
            raise FeedError(
                source.feed.path,
                "TABLE_IN_USE",
                f"{source.schema}.{source.name} was not made by the loader: name it under tables "
                "or remove it",
            )
        # The contract has grown since the table was made: read everything again.
        _drop(session, source.schema, source.name)
    listed = ", ".join(f"{_quote(name)} {kind}" for name, kind in columns)
    session.run(f"create table if not exists {source.table} ({listed})")


def _known_loads(session: Session, source: _Source) -> tuple[dict[str, FileLoad], dict[str, str]]:
    """Return the files that are in the table, and which contract columns each one delivered."""
    rows = session.fetch(
        f"select file, row_count, sha256, load_id, columns from {source.loads_table} "
        "where feed = ?",
        [source.name],
    )
    loads = {
        file: FileLoad(source.name, file, "ALREADY_LOADED", count, sha256, load_id)
        for file, count, sha256, load_id, _ in rows
    }
    return loads, {row[0]: row[4] for row in rows}


def _matching_files(source: _Source, roots: list[Path]) -> list[Path]:
    """Return the files of a feed, sorted, each of them inside the allowed folders."""
    base, pattern = starting_point(source.feed.path, source.root, source.data_root)
    if GLOB_CHARACTERS.search(pattern):
        inside = Path(pattern)
        if inside.is_absolute():
            base, inside = Path(inside.anchor), inside.relative_to(inside.anchor)
        found = sorted(path for path in base.glob(inside.as_posix()) if path.is_file())
    else:
        found = [path for path in [base / pattern] if path.is_file()]
    if not found:
        raise FeedError(source.feed.path, "MISSING_FILE", "deliver the file or correct the path")
    for path in found:
        if not is_inside(path, roots):
            raise FeedError(
                source.label(path), "PATH_OUTSIDE_ROOT", "the file is a link out of the project"
            )
    return found


def _wanted_loads(
    source: _Source, paths: dict[str, Path], known: dict[str, FileLoad]
) -> list[FileLoad]:
    """Decide by content what has to be read."""
    wanted: list[FileLoad] = []
    seen: set[str] = set()
    for file, path in paths.items():
        sha256 = _file_sha256(path)
        load_id = _sha256(f"{source.name}\n{sha256}\n{source.settings_hash}")[:16]
        before = known.get(file)
        if sha256 in seen:
            wanted.append(FileLoad(source.name, file, "DUPLICATE_FILE", 0, sha256, load_id))
        elif before is not None and before.load_id == load_id:
            wanted.append(before)
        else:
            wanted.append(FileLoad(source.name, file, "LOADED", 0, sha256, load_id))
        seen.add(sha256)
    return wanted


def _agreed_shape(source: _Source, file: str, rows: _Rows, shapes: dict[str, str]) -> str:
    """Return the columns of a file; one with others than the files beside it is refused."""
    shape = ",".join(sorted(rows.columns))
    for other in shapes.values():
        differing = set(shape.split(",")) ^ set(other.split(","))
        if differing - set(source.feed.constants):
            column = min(differing - set(source.feed.constants))
            raise FeedError(
                file,
                "HEADER_MISMATCH",
                "not all files of the feed have this column: deliver it everywhere, or give its "
                "value for the others under constants",
                1,
                column,
            )
    return shape


def _load_file(
    session: Session,
    source: _Source,
    path: Path,
    load: FileLoad,
    *,
    shapes: dict[str, str],
    home: Path,
) -> tuple[int, str]:
    """Insert one file and note it; what goes wrong is told with the name of the file."""
    before = path.stat()
    try:
        if source.feed.file_format == "parquet":
            rows = _parquet_rows(source, path)
            shape = _agreed_shape(source, load.file, rows, shapes)
            _insert(session, source, load, rows, home)
        else:
            with tempfile.TemporaryDirectory(dir=home, prefix="load-") as folder:
                rows = _csv_rows(source, path, Path(folder) / "rows")
                shape = _agreed_shape(source, load.file, rows, shapes)
                _insert(session, source, load, rows, home)
    except FileProblemError as problem:
        raise FeedError(
            load.file, problem.reason, problem.remedy, problem.line, problem.column
        ) from None
    after = path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise FeedError(load.file, "FILE_CHANGED", "the file was written while it was read")
    count = session.fetch(f"select count(*) from {source.table} where _file = ?", [load.file])[0][0]
    ignored = json.dumps(sorted(rows.ignored))
    session.run(
        f"insert into {source.loads_table} values (?, ?, ?, ?, ?, ?, ?)",
        [source.name, load.file, load.sha256, load.load_id, count, shape, ignored],
    )
    return count, shape


def _csv_rows(source: _Source, path: Path, normalised: Path) -> _Rows:
    """Check a CSV file row by row, so that the database reads only what is known to be sound."""
    csv_file = CsvFile(path, Dialect(source.feed.delimiter, source.feed.encoding))
    columns = _file_columns(source, csv_file.header)
    names = _names_to_read(source, columns, csv_file.header)
    with normalised.open("w", encoding="utf-8", newline="") as target:
        csv_file.write_normalised(target, names)
    fields = {"line": "bigint", "problem": "varchar", "problem_position": "integer"}
    fields |= {f"c{position}": "varchar" for position in range(len(names))}
    places = {name: f"c{position}" for position, name in enumerate(names)}
    titles = {name: column for column, name in columns.items()}
    listed = ", ".join(_literal(titles.get(name, name)) for name in names)
    return _Rows(
        # No text of the checked file is NULL: there is no NUL in it.
        relation=(
            f"read_csv(?, columns = {fields!r}, auto_detect = false, header = false, "
            f"delim = '{SEPARATOR}', quote = '\"', escape = '\"', new_line = '\\n', "
            f"nullstr = chr(0), allow_quoted_nulls = false, max_line_size = {MAX_LINE_BYTES})"
        ),
        path=normalised,
        columns=columns,
        values={column: places[name] for column, name in columns.items()},
        named=places | {column: places[name] for column, name in columns.items()},
        ignored=[name for name in csv_file.header if name not in places],
        line="line",
        problem="nullif(problem, '')",
        problem_column=f"case when problem_position > 0 then [{listed}][problem_position] end",
    )


def _parquet_rows(source: _Source, path: Path) -> _Rows:
    """Read a Parquet file as text; a number must be exact, or be proven exact row by row."""
    types = _parquet_types(path)
    columns = _file_columns(source, list(types))
    read = _names_to_read(source, columns, list(types))
    values: dict[str, str] = {}
    inexact: list[str] = []
    for column in INPUTS[source.name]:
        if column.name in columns:
            name = columns[column.name]
            kind = types[name]
            if kind in FLOAT_TYPES and column.kind in ("number", "id"):
                _require_exact_floats(source, column)
                exact = "decimal(18, 4)" if column.kind == "number" else "bigint"
                value = f"try_cast({_quote(name)} as {exact})"
                inexact.append(
                    f"when cast({value} as {kind}) != {_quote(name)} then {_literal(column.name)}"
                )
                text = f"cast(coalesce({value}::varchar, {_quote(name)}::varchar) as varchar)"
            else:
                text = _parquet_text(column, name, kind)
            values[column.name] = f"coalesce({text}, '')"
    found = f"case {' '.join(inexact)} end" if inexact else "null::varchar"
    named = {name: f"coalesce({_quote(name)}::varchar, '')" for name in types}
    return _Rows(
        relation="read_parquet(?, file_row_number = true)",
        path=path,
        columns=columns,
        values=values,
        named=named | {column: named[name] for column, name in columns.items()},
        ignored=[name for name in types if name not in read],
        line="file_row_number + 1",
        problem=f"case when {found} is not null then 'TOO_MANY_DECIMALS' end",
        problem_column=found,
    )


def _parquet_types(path: Path) -> dict[str, str]:
    try:
        with open_scratch() as session:
            return dict(session.shape(f"select * from {read_parquet(path)}"))
    except EngineError:
        raise FileProblemError("UNREADABLE", "the file is no sound Parquet file") from None


def _require_exact_floats(source: _Source, column: Column) -> None:
    if not source.feed.exact_floats:
        raise FileProblemError(
            "TYPE_MISMATCH",
            "the column is floating point: write it as decimal(18, 4), or set exact_floats to take "
            "values that are exact",
            column=column.name,
        )


def _parquet_text(column: Column, name: str, kind: str) -> str:
    """Return SQL for a Parquet column as the text that a CSV file would hold."""
    quoted = _quote(name)
    is_plain = kind == "VARCHAR" or kind in WHOLE_TYPES
    if is_plain or (column.kind == "number" and kind.startswith("DECIMAL")):
        return f"{quoted}::varchar"
    if column.kind == "time":
        if kind == "DATE":
            return f"{quoted}::varchar"
        if kind == "TIMESTAMP WITH TIME ZONE":
            return f"strftime({quoted} at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')"
        if kind.startswith("TIMESTAMP"):
            return f"strftime({quoted}::timestamp, '%Y-%m-%dT%H:%M:%S.%f')"
    if column.kind == "text" and kind == "BOOLEAN":
        return f"{quoted}::varchar"
    raise FileProblemError(
        "TYPE_MISMATCH", f"the column cannot be {kind}: see the contract", column=column.name
    )


def _insert(session: Session, source: _Source, load: FileLoad, rows: _Rows, home: Path) -> None:
    """Insert the rows of one file in the fixed shape of the raw table."""
    selected: list[str] = []
    bound: list[Any] = []
    for name in column_names(source.name):
        if name in rows.values:
            selected.append(rows.values[name])
        else:
            # NULL says that the file has no such column; an empty value is an empty text.
            selected.append("?::varchar")
            bound.append(source.constants.get(name))
    selected += ["?::varchar", rows.line, "?::varchar"]
    bound += [load.file, load.load_id]
    conditions = []
    for rule in source.feed.exclude:
        operator, value = rule.condition
        asked = EXCLUDE_SQL[operator].format(value=rows.named[rule.column])
        conditions.append(f"when {asked} then ?")
        bound += [value, rule.label]
    excluded = f"case {' '.join(conditions)} end" if conditions else "null::varchar"
    selected.append(f"case when {rows.problem} is null then {excluded} end")
    selected += [rows.problem, rows.problem_column]
    try:
        session.add_from_file(
            source.table,
            f"select {', '.join(selected)} from {rows.relation}",
            [*bound, glob.escape(str(rows.path))],
            home,
        )
    except EngineError as error:
        # The engine's own message may quote a row, so only its kind is passed on.
        raise FileProblemError(
            "UNREADABLE", f"the database cannot read the file ({error.kind})"
        ) from None


def _file_columns(source: _Source, header: list[str]) -> dict[str, str]:
    """Return contract column -> column of the file, for all that this file delivers."""
    mapping = source.feed.columns
    named = {column.name: mapping.get(column.name, column.name) for column in INPUTS[source.name]}
    if not any(name in header for name in named.values()):
        raise FileProblemError(
            "HEADER_MISMATCH",
            "line 1 must hold the column names, separated by the configured delimiter",
            1,
        )
    present: dict[str, str] = {}
    for column in INPUTS[source.name]:
        name = named[column.name]
        if header.count(name) > 1:
            raise FileProblemError("HEADER_MISMATCH", "the column is named twice", 1, name)
        if name in header:
            present[column.name] = name
        elif column.name not in source.feed.constants and (
            column.required or column.name in mapping
        ):
            raise FileProblemError("MISSING_COLUMN", missing_remedy(name, header), 1, name)
    return present


def _names_to_read(source: _Source, columns: dict[str, str], header: list[str]) -> list[str]:
    """Return the columns of the file that are read: those of the contract and of the rules."""
    names = list(dict.fromkeys(columns.values()))
    for rule in source.feed.exclude:
        name = columns.get(rule.column, rule.column)
        if name not in header:
            raise FileProblemError("MISSING_COLUMN", missing_remedy(name, header), 1, name)
        if name not in names:
            names.append(name)
    return names


def _delete(session: Session, source: _Source, file: str) -> None:
    session.run(f"delete from {source.table} where _file = ?", [file])
    session.run(
        f"delete from {source.loads_table} where feed = ? and file = ?", [source.name, file]
    )


def _drop_feeds(session: Session, schema: str, configured: set[str]) -> list[FileLoad]:
    """Remove the tables of feeds that the configuration no longer names."""
    loads = f"{_quote(schema)}.{LOADS_TABLE}"
    rows = session.fetch(
        f"select feed, file, row_count, sha256, load_id from {loads} order by feed, file"
    )
    gone = [
        FileLoad(feed, file, "REMOVED", count, sha256, load_id)
        for feed, file, count, sha256, load_id in rows
        if feed not in configured
    ]
    for feed in sorted({load.feed for load in gone}):
        _drop(session, schema, feed)
    return gone


def _drop(session: Session, schema: str, feed: str) -> None:
    # Views of staging that read it are made anew by the next run.
    session.run(f"drop table {_quote(schema)}.{_quote(feed)} cascade")
    session.run(f"delete from {_quote(schema)}.{LOADS_TABLE} where feed = ?", [feed])


def _file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _quote(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
