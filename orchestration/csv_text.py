"""Reading CSV files that others wrote: strictly, line by line, in flat memory.

A file goes in, normalised rows come out (fixed dialect, chosen columns, line numbers), or one
`FileProblemError` that says where and why the file cannot be trusted. Nothing here knows the
contract or the database; `orchestration.feeds` does. Messages never repeat what a row says.
"""

import codecs
import csv
import difflib
import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import IO

CHUNK_BYTES = 1 << 20
FIELD_LIMIT = 1 << 17
# The dialect between this module and the database: a separator that hardly any text holds.
SEPARATOR = "\x1f"
NO_PROBLEM = f"{SEPARATOR}{SEPARATOR}0{SEPARATOR}"
ROWS_PER_WRITE = 5000


class FileProblemError(Exception):
    """Why a file is refused as a whole."""

    def __init__(
        self, reason: str, remedy: str, line: int | None = None, column: str | None = None
    ) -> None:
        self.reason = reason
        self.remedy = remedy
        self.line = line
        self.column = column
        super().__init__(reason)


@dataclass(frozen=True)
class Dialect:
    """How a file is written."""

    delimiter: str = ","
    encoding: str = "utf-8"


class CsvFile:
    """One CSV file, opened and with its header read."""

    def __init__(self, path: Path, dialect: Dialect) -> None:
        self._lines = _Lines(path, dialect.encoding)
        self._reader = csv.reader(
            self._lines, delimiter=dialect.delimiter, strict=True, doublequote=True
        )
        csv.field_size_limit(FIELD_LIMIT)
        try:
            header = next(self._reader, None)
        except csv.Error as error:
            raise _csv_problem(str(error), 1) from None
        if header is None:
            raise FileProblemError("EMPTY_FILE", "deliver at least the line of column names")
        self.header = [name.strip() for name in header]

    def write_normalised(self, target: IO[str], names: list[str]) -> int:
        """Write line, problem, position of the problem and the named columns of each row.

        Args:
            target: Where the normalised rows go.
            names: Columns of the file, in the order wanted.

        Returns:
            The number of rows.
        """
        positions = [self.header.index(name) for name in names]
        width, commas = len(self.header), len(names) - 1
        pick = itemgetter(*positions) if commas else lambda record: (record[positions[0]],)
        rows: list[str] = []
        written = 0
        start = self._reader.line_num + 1
        try:
            for record in self._reader:
                if len(record) == width:
                    text = SEPARATOR.join(pick(record))
                    # A search for each special sign is cheaper than a look at every field.
                    if (
                        '"' in text
                        or "\n" in text
                        or "\r" in text
                        or "\x00" in text
                        or text.count(SEPARATOR) != commas
                    ):
                        rows.append(_careful_row(start, pick(record)))
                    else:
                        rows.append(f"{start}{NO_PROBLEM}{text}\n")
                elif record:
                    rows.append(_misshapen_row(start, record, positions, width))
                start = self._reader.line_num + 1
                if len(rows) == ROWS_PER_WRITE:
                    target.write("".join(rows))
                    written += len(rows)
                    rows.clear()
        except csv.Error as error:
            raise _csv_problem(str(error), start) from None
        target.write("".join(rows))
        return written + len(rows)


class _Lines:
    """The lines of a file, decoded piece by piece, each with its line end."""

    def __init__(self, path: Path, encoding: str) -> None:
        self._path = path
        self._encoding = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
        self._iterator = self._iterate()

    def __iter__(self) -> Iterator[str]:
        return self._iterator

    def _iterate(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder(self._encoding)()
        opened = gzip.open if self._path.suffix == ".gz" else open
        lines_done = 0
        rest = ""
        try:
            with opened(self._path, "rb") as file:
                while True:
                    chunk = file.read(CHUNK_BYTES)
                    text = self._decode(decoder, chunk, lines_done)
                    # Cut at line feeds only: a lone carriage return is for the reader to refuse.
                    lines = (rest + text).split("\n")
                    rest = lines.pop()
                    lines_done += len(lines)
                    for line in lines:
                        yield line + "\n"
                    if not chunk:
                        break
        except (gzip.BadGzipFile, EOFError, zlib.error):
            raise FileProblemError(
                "BAD_COMPRESSION", "the file is no complete gzip file: deliver it again"
            ) from None
        if rest:
            yield rest

    @staticmethod
    def _decode(decoder: codecs.IncrementalDecoder, chunk: bytes, lines_before: int) -> str:
        try:
            return decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            line = lines_before + error.object[: error.start].count(b"\n") + 1
            raise FileProblemError(
                "BAD_ENCODING", "save the file in the configured encoding or set encoding", line
            ) from None


def _careful_row(start: int, values: Sequence[str], problem: str = "") -> str:
    """Write a row that holds signs of the dialect itself, or a NUL, which no text column can."""
    position = 0
    if not problem:
        position = next((at for at, value in enumerate(values, 1) if "\x00" in value), 0)
        problem = "CONTROL_CHAR" if position else ""
    fields = [str(start), problem, str(position), *map(_quoted, values)]
    return SEPARATOR.join(fields) + "\n"


def _misshapen_row(start: int, record: list[str], positions: list[int], width: int) -> str:
    """Keep what is there of a row with too many or too few fields."""
    values = [record[position] if position < len(record) else "" for position in positions]
    return _careful_row(start, values, "EXTRA_FIELDS" if len(record) > width else "MISSING_FIELDS")


def _quoted(value: str) -> str:
    text = value.replace("\x00", "\ufffd").replace('"', '""')
    return f'"{text}"' if text != value or any(sign in value for sign in "\n\r\x1f") else value


def missing_remedy(name: str, header: list[str]) -> str:
    """Suggest the column that was probably meant; other names are not shown, they may be data."""
    simple = {_simplified(found): found for found in header}
    close = difflib.get_close_matches(_simplified(name), list(simple), n=1, cutoff=0.7)
    if close:
        return f"found {simple[close[0]]}: rename it or map {name} under columns"
    return f"add the column or map {name} under columns"


def _simplified(name: str) -> str:
    return "".join(sign for sign in name.lower() if sign.isalnum())


def _csv_problem(message: str, line: int) -> FileProblemError:
    """Name what the csv module found, without its wording and without the content."""
    if "unexpected end of data" in message or "field larger" in message:
        return FileProblemError(
            "UNTERMINATED_QUOTE", "close the quote that opens in this row", line
        )
    if "new-line character" in message:
        return FileProblemError("MIXED_NEWLINES", "end every row with a line feed (or CR LF)", line)
    return FileProblemError("BAD_QUOTING", "double every quote inside a quoted field", line)
