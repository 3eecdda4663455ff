"""Files to rows and tables: JSONL, JSON, Parquet, CSV, TSV, Arrow, plain or gzip, with or without a BOM."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl

from foils.errors import DataError
from foils.readers.values import Hazards, Place, shown

BOM = b"\xef\xbb\xbf"
# Half of a pair that stands for one character: valid JSON, but no text.
LONE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
MARKED = re.compile(rb'(?m)(?:^|\t)"')  # a field that begins with a quotation mark
HALF = re.compile(rb"\\u[dD][89a-fA-F]")
KINDS = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".parquet": "parquet", ".csv": "csv", ".tsv": "tsv",
    ".txt": "tsv", ".arrow": "arrow", ".feather": "arrow",
}  # fmt: skip
READABLE = ", ".join(KINDS)
SLICE = 65536
LONGEST = 1 << 30


def kind_of(path: Path) -> str | None:
    """Which of ``KINDS`` a file is by its name, ``.gz`` ignored; None for other files."""
    suffixes = [s.lower() for s in path.suffixes if s.lower() != ".gz"]
    return KINDS.get(suffixes[-1]) if suffixes else None


def stem_of(path: Path) -> str:
    """The file's name without the endings that say how it is written."""
    name = path.name.removesuffix(".gz")
    return name[: -len(Path(name).suffix)] if Path(name).suffix.lower() in KINDS else name


def content(path: Path) -> bytes:
    """The bytes of a file, unpacked, without a BOM.

    Raises:
        DataError: the file is empty, or is no gzip although its name says so.
    """
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b" or path.suffix == ".gz":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path.name} cannot be unpacked as gzip: {error}") from None
    data = data.removeprefix(BOM)
    if not data.strip():
        raise DataError(f"{path.name} is empty; at least one row is needed")
    return data


def json_lines(path: Path, hazards: Hazards) -> Iterator[tuple[Place, Any]]:
    """The values of a JSONL file, line by line.

    Raises:
        DataError: a line is no JSON, with its number.
    """
    number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            for number, raw in enumerate(lines, 1):
                line = raw.removeprefix(BOM) if number == 1 else raw
                if line.strip():
                    place = Place(path.name, number, hazards)
                    yield place, parse(line, place)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} cannot be unpacked as gzip after line {number}: {error}") from None


def by_line(data: bytes) -> bool:
    """True for what is no JSON document as a whole, but a file of lines: of objects, or of whole arrays (ColBERT)."""
    first, end, _ = data.strip().partition(b"\n")
    if first[:1] == b"[":
        with suppress(ValueError):
            return bool(end) and isinstance(json.loads(first), list)
    return bool(end) and first[:1] == b"{"


def parse(data: bytes, place: Place) -> Any:
    """One JSON value; a lone half of a surrogate pair becomes U+FFFD and is counted."""
    try:
        value = json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: not UTF-8 ({error.reason} at byte {error.start}); save the file as UTF-8") from None
    except (json.JSONDecodeError, RecursionError) as error:
        found = shown(data[:60].decode("utf-8", "replace").strip())
        raise DataError(f"{place}: not valid JSON ({error}); found {found}") from None
    if has_lone_surrogate(data):
        place.note("texts with half a surrogate pair", "the half is replaced by U+FFFD")
        value = _mend(value)
    return value


def has_lone_surrogate(data: bytes) -> bool:
    """True where JSON escapes half a character; the slow pattern runs only if any half is there."""
    return bool(HALF.search(data) and LONE.search(data))


def _mend(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_mend(v) for v in value]
    if isinstance(value, dict):
        return {_mend(k): _mend(v) for k, v in value.items()}
    return value


def rows(path: Path, hazards: Hazards) -> Iterator[tuple[Place, dict[str, Any]]]:
    """The rows of a table of any kind as mappings, with their place.

    Raises:
        DataError: the file cannot be read, or a line is no object.
    """
    if kind_of(path) == "jsonl":
        for place, value in json_lines(path, hazards):
            if not isinstance(value, dict):
                raise DataError(f'{place}: every line must be an object {{"query": ...}}, found {shown(value)}')
            yield place, value
        return
    yield from frame_rows(table(path), path.name, hazards)


def frame_rows(frame: pl.DataFrame, name: str, hazards: Hazards) -> Iterator[tuple[Place, dict[str, Any]]]:
    """The rows of a frame as mappings, numbered from 1."""
    number = 0
    for part in frame.iter_slices(SLICE):
        for row in part.iter_rows(named=True):
            number += 1
            if any(value is not None for value in row.values()):
                yield Place(name, number, hazards, "row"), row


def table(path: Path) -> pl.DataFrame:
    """A CSV, TSV (all strings), Parquet or Arrow file as a frame.

    Raises:
        DataError: the file is empty or cannot be read; for CSV and TSV with the line.
    """
    kind = kind_of(path)
    if kind in ("csv", "tsv"):
        return _separated(path, "," if kind == "csv" else "\t")
    readers: dict[str | None, Callable[[Path], pl.DataFrame]] = {"parquet": pl.read_parquet, "arrow": _arrow}
    if kind not in readers:
        raise DataError(f"{path.name} is no file that foils reads; it reads {READABLE}, each also as .gz")
    try:
        return readers[kind](path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path.name} cannot be read as {kind}: {str(error).splitlines()[0]}") from None


def _arrow(path: Path) -> pl.DataFrame:
    try:
        return pl.read_ipc(path)
    except pl.exceptions.PolarsError:
        return pl.read_ipc_stream(path)


def _separated(path: Path, separator: str) -> pl.DataFrame:
    data = content(path)
    marks: tuple[str | None, ...] = ('"',)
    if separator == "\t":
        marks = ('"', None) if enclosed(data) else (None,)
    for quote in marks:
        try:
            return pl.read_csv(data, separator=separator, infer_schema=False, quote_char=quote)
        except pl.exceptions.PolarsError as error:
            problem = error
    raise _bad_line(path.name, data, separator, problem)


def enclosed(data: bytes) -> bool:
    """True where the quotation marks of a tab-separated table enclose fields."""
    return bool(MARKED.search(data)) and quoted(io.StringIO(data.decode("utf-8", "replace"), newline=""))


def check_header(names: Sequence[str], file: str) -> None:
    """Refuse a table that has two columns of one name, of which one would be lost.

    Raises:
        DataError: names the first.
    """
    twice = next((name for at, name in enumerate(names) if name and name in names[:at]), None)
    if twice is not None:
        raise DataError(f"{file}: the header has {twice!r} twice; every column needs a name of its own")


def quoted(lines: Iterable[str]) -> bool:
    """Whether the quotation marks of a tab-separated table enclose its fields; if not, they belong to its texts.

    A text that begins with a bare mark would take in the next rows, up to another mark: either a strict reader stumbles
    over that mark, or every one of these lines is a row by itself.

    Args:
        lines: with their ends, the header first.
    """
    tabs: set[int] = set()

    def seen() -> Iterator[str]:
        for line in lines:
            if line.strip("\r\n"):
                tabs.add(line.count("\t"))
            yield line

    # The default limit of a field is shorter than many documents.
    csv.field_size_limit(LONGEST)
    reader = csv.reader(seen(), delimiter="\t", strict=True)
    width = height = 0
    with suppress(csv.Error):
        for row in reader:
            height += 1
            width = width or len(row)
            if len(row) > width:
                return False
        return height == reader.line_num or width == 1 or tabs != {width - 1}
    return False


def _bad_line(name: str, data: bytes, separator: str, error: Exception) -> DataError:
    try:
        lines = csv.reader(io.StringIO(data.decode("utf-8"), newline=""), delimiter=separator, strict=True)
        width = len(next(lines))
        for row in lines:
            if len(row) not in (0, width):
                return DataError(f"{name}, line {lines.line_num}: {len(row)} fields, the header has {width}")
    except UnicodeDecodeError as wrong:
        line = data[: wrong.start].count(b"\n") + 1
        return DataError(f"{name}, line {line}: not UTF-8 ({wrong.reason}); save the file as UTF-8")
    except csv.Error as wrong:
        return DataError(f"{name}, line {lines.line_num}: {wrong}")
    return DataError(f"{name} cannot be read: {str(error).splitlines()[0]}")
