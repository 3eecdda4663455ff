"""A record of a training file, and what a repair may make of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

Row = dict[str, Any]

KEEP: Row = {}
"""Stands for "this record stays as it is": told apart by identity."""


class Record(NamedTuple):
    """One record of a file.

    Args:
        number: its line, row or entry, counted from 1.
        row: its columns under the names that the readers use; null: it cannot be read.
        raw: what stands in the file: the bytes of a line, a JSON value, a row of a table.
        why: why it cannot be read.
    """

    number: int
    row: Row | None
    raw: Any
    why: str = ""


Change = Callable[[Record], Row | None]
"""What becomes of a record: ``KEEP``, another row, or null (left out)."""


class Source(Protocol):
    """A training file of one kind: its records, and how it is written again."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def unit(self) -> str:
        """What a record is called: line, row or entry."""
        ...

    @property
    def lists_as_text(self) -> bool:
        """True where a list can only be written as a text."""
        ...

    def records(self) -> Iterator[Record]:
        """All records, in order."""
        ...

    def write(self, out: Path, change: Change) -> None:
        """Write the file again; what the change keeps stays as it stands."""
        ...
