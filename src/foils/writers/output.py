"""Tables to files, several at once, complete or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from foils.errors import RecipeError
from foils.files import atomic


@dataclass(frozen=True)
class Output:
    """One file: where it goes, and what writes it to a given path."""

    path: Path
    write: Callable[[Path], object]


def table(frame: pl.DataFrame, path: Path) -> Output:
    """A file of the kind that the suffix names: ``.jsonl``, ``.parquet`` or ``.csv``.

    Raises:
        RecipeError: a list cannot go into a CSV file.
    """
    if path.suffix == ".parquet":
        return Output(path, frame.write_parquet)
    if path.suffix == ".csv":
        nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
        if nested:
            raise RecipeError(f"{path.name}: a CSV file cannot hold the lists of {nested[0]!r}; use .jsonl or .parquet")
        return Output(path, frame.write_csv)
    return lines(frame, path)


def lines(frame: pl.DataFrame, path: Path) -> Output:
    """A JSON object per line."""
    return Output(path, frame.write_ndjson)


def array(frame: pl.DataFrame, path: Path, head: str = "[", tail: str = "]") -> Output:
    """One JSON document: the rows as an array between ``head`` and ``tail``, a row per line."""

    def write(target: Path) -> None:
        # Line ends inside texts are escaped, so that every real one ends a row.
        rows = frame.write_ndjson().rstrip("\n").replace("\n", ",\n")
        with target.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines((head, "\n", rows, "\n", tail, "\n"))

    return Output(path, write)


def text(content: str, path: Path) -> Output:
    """A small text file."""
    return Output(path, lambda target: target.write_bytes(content.encode("utf-8")))


def qrels(frame: pl.DataFrame, path: Path) -> Output:
    """Relevance labels as BEIR has them: query id, document id and grade, a header, tabs, quotes where needed."""
    named = frame.rename(dict(zip(frame.columns, ("query-id", "corpus-id", "score"), strict=True)))
    return Output(path, lambda target: named.write_csv(target, separator="\t"))


def plain(frame: pl.DataFrame, path: Path, separator: str) -> Output:
    """Columns without header and quotes, for readers that only split."""
    return Output(
        path,
        lambda target: frame.write_csv(target, separator=separator, include_header=False, quote_style="never"),
    )


def write_all(outputs: Sequence[Output]) -> None:
    """Write every file beside its place, then move all of them there, the first one last.

    Raises:
        DataError: a folder cannot be written or the disk is full; no file of this export is there then.
    """
    with ExitStack() as stack:
        for output in outputs:
            output.write(stack.enter_context(atomic(output.path)))
