"""Which kind of training file a path is."""

from __future__ import annotations

from pathlib import Path

from foils.audit.jsons import Document, Lines, is_lines
from foils.audit.records import Source
from foils.audit.tables import Frame, Separated, Tabbed, text_lines
from foils.errors import DataError
from foils.readers.roles import resolve
from foils.readers.sources import READABLE, kind_of
from foils.readers.special import tabbed


def opened(path: Path) -> Source:
    """The records of a training file.

    Raises:
        DataError: the path does not exist, is a folder, is empty or of no kind that foils reads.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder; audit takes one training file: name a file in it")
    if not path.is_file():
        raise DataError(f"{path} does not exist; a training file is needed")
    if path.stat().st_size == 0:
        raise DataError(f"{path.name} is empty; at least one row is needed")
    kind = kind_of(path)
    if kind == "jsonl":
        return Lines(path)
    if kind == "json":
        return Lines(path) if is_lines(path) else Document(path)
    if kind in ("parquet", "arrow"):
        return Frame(path)
    if kind == "csv":
        return Separated(path, ",")
    if kind == "tsv":
        fields = next(text_lines(path), "").rstrip("\r\n").split("\t")
        bare = resolve(tuple(fields)) is None and tabbed(fields) is not None
        return Tabbed(path) if bare else Separated(path, "\t")
    raise DataError(f"{path.name} is no file that foils reads; it reads {READABLE}")
