"""Training files of JSON: a value a line, or one document."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from foils.audit.records import KEEP, Change, Record, Row
from foils.audit.shapes import unwrap, wrap
from foils.errors import DataError
from foils.files import atomic
from foils.readers.roles import resolve
from foils.readers.sources import BOM, by_line, content, parse
from foils.readers.values import Hazards, Place


class Style(NamedTuple):
    """How a JSON text is written: escapes, blanks, indentation."""

    ascii: bool
    compact: bool
    indent: int | str | None = None

    @staticmethod
    def of(data: bytes) -> Style:
        """The style of a text, told by its bytes."""
        indent = re.match(rb"[\[{]\r?\n([ \t]+)", data)
        blanks: int | str | None = None
        if indent:
            blanks = indent[1].decode() if b"\t" in indent[1] else len(indent[1])
        return Style(data.isascii(), not re.search(rb'": ', data), blanks)

    def dump(self, value: Any) -> bytes:
        """Write a value in this style."""
        separators = (",", ":") if self.compact else None
        text = json.dumps(value, ensure_ascii=self.ascii, separators=separators, indent=self.indent)
        return text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True)
class Lines:
    """A JSON value on every line; also packed by gzip."""

    path: Path
    unit: str = "line"
    lists_as_text: bool = False

    def records(self) -> Iterator[Record]:
        """Every line that is not blank."""
        for number, raw in enumerate(self._raw(), 1):
            if raw.strip():
                yield self._record(raw, number)

    def write(self, out: Path, change: Change) -> None:
        """Copy kept lines byte by byte; only changed ones are written anew."""
        with atomic(out) as temporary, _packed(temporary, self.path) as target:
            for number, raw in enumerate(self._raw(), 1):
                row = change(self._record(raw, number)) if raw.strip() else KEEP
                if row is KEEP:
                    target.write(raw)
                elif row is not None:
                    line = raw.removeprefix(BOM)
                    end = line[len(line.rstrip(b"\r\n")) :]
                    new = Style.of(line).dump(wrap(row, json.loads(line)))
                    target.write(raw[: len(raw) - len(line)] + new + end)

    def _record(self, raw: bytes, number: int) -> Record:
        line = raw.removeprefix(BOM) if number == 1 else raw
        place = Place(self.path.name, number, Hazards())
        try:
            row, why = unwrap(parse(line, place))
        except DataError as error:
            # The record says where it stands.
            row, why = None, str(error).removeprefix(f"{place}: ")
        return Record(number, row, raw, why)

    def _raw(self) -> Iterator[bytes]:
        try:
            with gzip.open(self.path) if self.path.suffix == ".gz" else self.path.open("rb") as lines:
                yield from lines
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(f"{self.path.name} cannot be unpacked as gzip: {error}") from None


@dataclass(frozen=True)
class Document:
    """One JSON value: a list of rows, a list under ``data`` (NeMo), one row, or rankings by query (DRhard)."""

    path: Path
    unit: str = "entry"
    lists_as_text: bool = False

    def records(self) -> Iterator[Record]:
        """Every entry."""
        for number, (_, value, row, why) in enumerate(_entries(self._value(content(self.path))), 1):
            yield Record(number, row, value, why)

    def write(self, out: Path, change: Change) -> None:
        """Write the document anew in its own style; a document that is one row cannot be left out."""
        data = content(self.path)
        value = self._value(data)
        kept: list[tuple[Any, Any]] = []
        for number, (key, entry, row, why) in enumerate(_entries(value), 1):
            new = change(Record(number, row, entry, why))
            if new is KEEP:
                kept.append((key, entry))
            elif new is not None:
                kept.append((key, new["negative_document_ids"] if isinstance(key, str) else wrap(new, entry)))
        rest = data[len(data.rstrip()) :]
        with atomic(out) as temporary, _packed(temporary, self.path) as target:
            target.write(Style.of(data).dump(_together(value, kept)) + rest)

    def _value(self, data: bytes) -> Any:
        return parse(data, Place(self.path.name, 1, Hazards()))


def is_lines(path: Path) -> bool:
    """True for a file of lines, which many tools call .json too."""
    data = content(path)
    try:
        json.loads(data)
    except ValueError:
        return by_line(data)
    return False


def _entries(value: Any) -> Iterator[tuple[Any, Any, Row | None, str]]:
    """The key (place, query id or null), value, row and trouble of every entry of a document."""
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        value = value["data"]
    elif isinstance(value, dict) and resolve(tuple(value)) is not None:
        value = [value]
    if isinstance(value, dict):
        for query, docs in value.items():
            fine = isinstance(docs, list) and all(isinstance(d, str | int) for d in docs)
            yield query, docs, ({"query_id": query, "negative_document_ids": docs} if fine else None), "no list of ids"
    elif isinstance(value, list):
        for place, entry in enumerate(value):
            yield (place, entry, *unwrap(entry))
    else:
        yield None, value, None, "no rows"


def _together(value: Any, kept: list[tuple[Any, Any]]) -> Any:
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        return value | {"data": [entry for _, entry in kept]}
    if isinstance(value, dict) and resolve(tuple(value)) is not None:
        return kept[0][1] if kept else {}
    return dict(kept) if isinstance(value, dict) else [entry for _, entry in kept]


@contextmanager
def _packed(target: Path, source: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """A file open for writing, packed as the source is; the same content gives the same bytes."""
    with target.open("wb") as raw:
        if source.suffix == ".gz":
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
                yield packed
        else:
            yield raw
