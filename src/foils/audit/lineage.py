"""Where a file says that it comes from: its corpus, and fields that were lost on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from foils.audit.findings import Found
from foils.audit.table import Table
from foils.collection import Collection
from foils.readers.roles import resolve
from foils.readers.sources import content, kind_of
from foils.readers.special import corpus_folders

ABOUT = "merlin_metadata.json"


def corpora(table: Table) -> list[Found]:
    """Corpus paths of a NeMo file that lead nowhere, and rows of a corpus that the file does not declare."""
    path = table.source.path
    value = _document(path)
    named = value.get("corpus")
    paths = [
        str(e["path"]) for e in (named if isinstance(named, list) else [named]) if isinstance(e, dict) and "path" in e
    ]
    if not paths or not isinstance(value.get("data"), list):
        return []
    found: list[Found] = []
    lost = [p for p in paths if not (path.parent / p).exists()]
    if lost:
        told = [
            f"{p}{', which a folder of that name beside the file stands in for' if _beside(path, p) else ''}"
            for p in lost
        ]
        found.append(Found("corpus-path", count=len(lost), total=len(paths), extra={"measure": "; ".join(told[:3])}))
    declared = {name for folder in corpus_folders(path) for name in _ids(folder / ABOUT)}
    rows = [row.get("corpus_id") if isinstance(row, dict) else None for row in value["data"]]
    strange = [at for at, name in enumerate(rows) if name not in declared] if declared else []
    notes = tuple("no corpus_id" if rows[at] is None else f"corpus_id {rows[at]}" for at in strange[:3])
    measure = f"declared: {', '.join(sorted(map(str, declared)))}"
    records = np.array(strange, dtype=np.int64)
    return [*found, Found("foreign-corpus", records=records, notes=notes, extra={"measure": measure})]


def fields(table: Table, data: Collection | None = None) -> list[Found]:
    """Rows that lack a field of most other rows, and fields of DATA's queries that the file does not have.

    Only fields that take no part in training count (a source, a language, an id of the row that it was made from).

    Args:
        table: the file.
        data: the collection of ``--data``.
    """
    readable = table.records.filter("readable")
    sizes = dict(readable.group_by("columns").len().iter_rows())
    extra = {shape: _extra(table.columns[shape]) for shape in sizes}
    counts: dict[str, int] = {}
    for shape, n in sizes.items():
        for name in extra[shape]:
            counts[name] = counts.get(name, 0) + n
    usual = {name for name, n in counts.items() if 2 * n > readable.height}
    short = {shape: sorted(usual - extra[shape]) for shape in sizes if usual - extra[shape]}
    rows = readable.filter(pl.col("columns").is_in(list(short))).sort("record")
    notes = tuple(f"without {', '.join(short[shape])}" for shape in rows["columns"].head(3))
    found = [Found("uneven-fields", records=rows["record"].to_numpy().astype(np.int64), notes=notes)]
    if data is not None:
        there = {name for names in table.columns for name in names}
        gone = sorted(set(data.queries.columns) - {"id", "text"} - there)
        measure = f"DATA has, the file has not: {', '.join(gone)}"
        total = len(data.queries.columns) - 2
        found.append(Found("lost-fields", count=len(gone), total=total, extra={"measure": measure}))
    return found


def _document(path: Path) -> dict[str, Any]:
    if kind_of(path) != "json":
        return {}
    try:
        value = json.loads(content(path))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _beside(path: Path, name: str) -> bool:
    return (path.parent / Path(name).name).exists()


def _ids(about: Path) -> Iterator[Any]:
    """The corpus id of a folder that has one."""
    try:
        value = json.loads(about.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    if isinstance(value, dict) and "corpus_id" in value:
        yield value["corpus_id"]


def _extra(names: tuple[str, ...]) -> frozenset[str]:
    roles = resolve(names)
    return frozenset(roles.extra if roles is not None else ())
