"""Training files that are tables: Parquet and Arrow, comma- and tab-separated."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

import polars as pl

from foils.audit.records import KEEP, Change, Record, Row
from foils.errors import DataError
from foils.files import atomic
from foils.readers.sources import BOM, LONGEST, check_header, kind_of, quoted, table
from foils.readers.special import SCORED, tabbed
from foils.readers.values import Hazards, Place, as_series

SLICE = 20_000
MAGIC = b"ARROW1"
"""How an Arrow file begins that is no stream."""
NO_ROOM = "the repair does not fit into the column {!r} of type {}: {}; write the file as .jsonl and audit that"
MIXED = "some rows hold lists, others texts"


@dataclass(frozen=True)
class Frame:
    """A Parquet or Arrow file, read and written in slices of rows."""

    path: Path
    unit: str = "row"
    lists_as_text: bool = False

    def records(self) -> Iterator[Record]:
        """Every row that holds something."""
        number = 0
        for part in self._parts():
            for row in part.iter_rows(named=True):
                number += 1
                if any(value is not None for value in row.values()):
                    yield Record(number, row, row)

    def write(self, out: Path, change: Change) -> None:
        """Kept rows and the schema stay; the metadata of a Parquet file too.

        Only a column of texts that all are lists, and are to be written as such, changes its type.
        """
        number = 0
        with atomic(out) as temporary, tempfile.TemporaryDirectory(dir=temporary.parent, prefix=".foils-") as folder:
            for count, part in enumerate(self._parts()):
                changes: dict[int, Row | None] = {}
                for at, row in enumerate(part.iter_rows(named=True)):
                    number += 1
                    new = change(Record(number, row, row)) if any(v is not None for v in row.values()) else KEEP
                    if new is not KEEP:
                        # What stays is not built anew: a time that passes through Python loses its nanoseconds.
                        changes[at] = None if new is None else {k: v for k, v in new.items() if v is not row[k]}
                self._changed(part, changes).write_ipc(Path(folder) / f"{count:06}.arrow")
            self._join(Path(folder), temporary)

    def _changed(self, part: pl.DataFrame, changes: dict[int, Row | None]) -> pl.DataFrame:
        kept = [at for at in range(part.height) if changes.get(at, KEEP) is not None]
        rows = {at: row for at, row in changes.items() if row is not None}
        columns = []
        for old in part:
            new = {at: row[old.name] for at, row in rows.items() if old.name in row}
            try:
                if old.dtype == pl.String and any(isinstance(v, list) for v in new.values()):
                    columns.append(_listed(old, new, kept))
                    continue
                place = {at: part.height + n for n, at in enumerate(new)}
                both = pl.concat([old, pl.Series(old.name, list(new.values()), dtype=old.dtype)]) if new else old
            except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
                why = str(error).splitlines()[0]
                raise DataError(f"{self.path.name}: {NO_ROOM.format(old.name, old.dtype, why)}") from None
            columns.append(both.gather(pl.Series([place.get(at, at) for at in kept], dtype=pl.UInt32)))
        return pl.DataFrame(columns)

    def _join(self, folder: Path, target: Path) -> None:
        shards = self._together(sorted(folder.glob("*.arrow")))
        if kind_of(self.path) == "arrow":
            with self.path.open("rb") as file:
                stream = file.read(len(MAGIC)) != MAGIC
            if stream:
                # Datasets of Hugging Face are read as a stream only.
                shards.collect().write_ipc_stream(target, compat_level=pl.CompatLevel.oldest())
            else:
                shards.sink_ipc(target)
            return
        kept = {k: v for k, v in pl.read_parquet_metadata(self.path).items() if k != "ARROW:schema"}
        shards.sink_parquet(target, metadata=kept)

    def _together(self, files: list[Path]) -> pl.LazyFrame:
        """The parts one below the other; texts have become lists in every part that has any."""
        parts = [pl.scan_ipc(file, glob=False) for file in files]
        schemas = [part.collect_schema() for part in parts]
        if all(schema == schemas[0] for schema in schemas):
            return pl.scan_ipc(files, glob=False)
        lists = {name for schema in schemas for name, dtype in schema.items() if isinstance(dtype, pl.List)}
        for at, schema in enumerate(schemas):
            for name in sorted(n for n in lists if schema[n] == pl.String):
                if parts[at].select(pl.col(name).is_not_null().any()).collect().item():
                    raise DataError(f"{self.path.name}: {NO_ROOM.format(name, pl.String, MIXED)}")
                parts[at] = parts[at].with_columns(pl.lit(None).alias(name))
        return pl.concat(parts, how="vertical_relaxed")

    def _parts(self) -> Iterator[pl.DataFrame]:
        try:
            if kind_of(self.path) == "arrow":
                yield from table(self.path).iter_slices(SLICE)
                return
            scan = pl.scan_parquet(self.path, glob=False)
            height = scan.select(pl.len()).collect().item()
            for start in range(0, max(height, 1), SLICE):
                yield scan.slice(start, SLICE).collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(f"{self.path.name} cannot be read: {str(error).splitlines()[0]}") from None


def _listed(old: pl.Series, new: dict[int, Any], kept: list[int]) -> pl.Series:
    """A column of texts as a column of lists.

    Raises:
        ValueError: some are no lists.
    """
    texts = old.to_list()
    values = [new.get(at, texts[at]) for at in kept]
    if any(isinstance(value, str) for value in values):
        raise ValueError(MIXED)
    column = as_series(old.name, values)
    if column is None:
        raise ValueError("values of different types")
    return column


@dataclass(frozen=True)
class Separated:
    """A table of texts with a header, separated by commas or tabs."""

    path: Path
    separator: str
    unit: str = "row"
    lists_as_text: bool = True

    def records(self) -> Iterator[Record]:
        """Every row that holds something."""
        header: list[str] | None = None
        number = 0
        for fields, _ in self._rows():
            if header is None:
                header = fields
                continue
            number += bool(fields)
            if any(fields):
                yield self._record(number, header, fields)

    def write(self, out: Path, change: Change) -> None:
        """Copy the text of kept rows; a changed row is quoted where it must be."""
        header: list[str] | None = None
        number = 0
        with atomic(out) as temporary, _target(temporary, self.path) as target:
            for fields, raw in self._rows():
                number += header is not None and bool(fields)
                new = change(self._record(number, header, fields)) if header is not None and any(fields) else KEEP
                header = header or fields
                if new is KEEP:
                    target.write(raw)
                elif new is not None:
                    end = "\r\n" if raw.endswith("\r\n") else "\n"
                    target.write(self._line([new[name] for name in header]) + end)

    def _record(self, number: int, header: list[str], fields: list[str]) -> Record:
        if len(fields) != len(header):
            return Record(number, None, fields, f"{len(fields)} fields, the header has {len(header)}")
        if any(map(_escaped, fields)):
            return Record(number, None, fields, "not UTF-8")
        # An empty field is a text or nothing, which a table of texts cannot tell apart.
        return Record(number, {k: v if v != "" else None for k, v in zip(header, fields, strict=True)}, fields)

    def _rows(self) -> Iterator[tuple[list[str], str]]:
        """The fields and the text of every row, the header first."""
        seen: list[str] = []

        def lines() -> Iterator[str]:
            for line in text_lines(self.path):
                seen.append(line)
                yield line

        plain = csv.reader(lines(), delimiter=self.separator, quoting=csv.QUOTE_NONE)
        # The default limit of a field is shorter than many documents.
        csv.field_size_limit(LONGEST)
        try:
            for number, fields in enumerate(plain if self._bare else csv.reader(lines(), delimiter=self.separator)):
                if number == 0:
                    check_header(fields, self.path.name)
                yield fields, "".join(seen)
                seen.clear()
        except csv.Error as error:
            raise DataError(f"{self.path.name} is no table: {error}") from None

    @cached_property
    def _bare(self) -> bool:
        """Quotation marks belong to the texts."""
        return self.separator == "\t" and not quoted(text_lines(self.path))

    def _line(self, fields: list[Any]) -> str:
        plain = ["" if f is None else str(f) for f in fields]
        marked = not self._bare and any(f.startswith('"') for f in plain)
        if self.separator == "\t" and not marked and not any(c in f for f in plain for c in "\t\r\n"):
            return "\t".join(plain)
        line = io.StringIO()
        csv.writer(line, delimiter=self.separator, lineterminator="").writerow(plain)
        return line.getvalue()


@dataclass(frozen=True)
class Tabbed:
    """Tab-separated ids without a header: GPL, ANCE, SimANS."""

    path: Path
    unit: str = "line"
    lists_as_text: bool = False

    def records(self) -> Iterator[Record]:
        """Every line that is not empty."""
        for number, raw in enumerate(text_lines(self.path), 1):
            if raw.strip("\r\n"):
                yield self._record(number, raw)

    def write(self, out: Path, change: Change) -> None:
        """Copy kept lines; the others are put together again."""
        with atomic(out) as temporary, _target(temporary, self.path) as target:
            for number, raw in enumerate(text_lines(self.path), 1):
                new = change(self._record(number, raw)) if raw.strip("\r\n") else KEEP
                if new is KEEP:
                    target.write(raw)
                elif new is not None:
                    fields = raw.rstrip("\r\n").split("\t")
                    first = len(_texts(fields))
                    sides = [",".join(map(_shown, new[side])) for side in ("pos", "neg")]
                    line = "\t".join([*fields[:first], *sides, *fields[first + 2 :]])
                    target.write(line + raw[len(raw.rstrip("\r\n")) :])

    def _record(self, number: int, raw: str) -> Record:
        fields = raw.rstrip("\r\n").split("\t")
        form = tabbed(fields)
        if _escaped(raw):
            return Record(number, None, raw, "not UTF-8")
        if form is None:
            return Record(number, None, raw, f"{len(fields)} fields that are no ids")
        try:
            return Record(number, form(fields, Place(self.path.name, number, Hazards())), raw)
        except DataError as error:
            return Record(number, None, raw, str(error))


def text_lines(path: Path) -> Iterator[str]:
    """The lines of a text file, plain or packed, with their ends and without a BOM.

    Raises:
        DataError: it says that it is packed, and is not.
    """
    how: dict[str, Any] = {"encoding": "utf-8-sig", "errors": "surrogateescape", "newline": ""}
    try:
        with gzip.open(path, "rt", **how) if path.suffix == ".gz" else path.open(**how) as lines:
            yield from lines
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} cannot be unpacked as gzip: {error}") from None


@contextmanager
def _target(path: Path, source: Path) -> Iterator[TextIO]:
    """A file open for text, packed and with a BOM where the source is so."""
    raw = gzip.GzipFile(filename="", mode="wb", fileobj=path.open("wb"), mtime=0) if source.suffix == ".gz" else None
    with raw or path.open("wb") as binary, io.TextIOWrapper(binary, "utf-8", "surrogateescape", newline="") as text:
        if _begins(source) == BOM:
            text.write(BOM.decode())
        yield text


def _begins(path: Path) -> bytes:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        return file.read(len(BOM))


def _escaped(text: str) -> bool:
    return not text.isascii() and any("\udc80" <= c <= "\udcff" for c in text)


def _texts(fields: list[str]) -> tuple[str, ...]:
    """The fields before the positives: the query's id, in SimANS its text too."""
    return tuple(fields[:2]) if SCORED.match(fields[2]) and len(fields) == 4 and " " in fields[2] else tuple(fields[:1])


def _shown(item: Any) -> str:
    return f"{item['id']} {item['score']}" if isinstance(item, dict) else str(item)
