"""Word lists of the operators: plain TSV, written for foils, read when first asked for."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from foils.errors import DataError

Row = tuple[str, ...]


@cache
def table(name: str) -> tuple[Row, ...]:
    """The rows of a list, comments and header left out.

    Args:
        name: of a file in this folder, without ``.tsv``.

    Raises:
        DataError: there is no such list, or a row has another number of cells than the header.
    """
    try:
        text = files(__package__).joinpath(f"{name}.tsv").read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DataError(f"the lexicon has no list called {name!r}; see foils/make/lexicon/") from error
    header, *rows = (tuple(line.split("\t")) for line in text.splitlines() if line and not line.startswith("#"))
    for row in rows:
        if len(row) != len(header):
            raise DataError(f"{name}.tsv: {row!r} has {len(row)} cells, the header has {len(header)}")
    return tuple(rows)


@cache
def words(name: str, group: str | None = None) -> frozenset[str]:
    """The first cells of a list, all or those whose second cell is ``group``; "_" stands for a space."""
    return frozenset(r[0].replace("_", " ") for r in table(name) if group is None or r[1] == group)


@cache
def mapping(name: str) -> dict[str, str]:
    """First cell to second cell; where a word stands twice, the first counts."""
    found: dict[str, str] = {}
    for row in table(name):
        found.setdefault(row[0], row[1])
    return found
