"""Texts and labels that a training file names by id only: looked for beside it."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from foils.errors import DataError
from foils.readers.draft import Draft
from foils.readers.layout import STEMS, data_files, texts_beside
from foils.readers.texts import What, read_texts


def texts_for(
    draft: Draft, named: list[Path], folders: list[Path], split: str
) -> tuple[pl.DataFrame | None, pl.DataFrame | None]:
    """Documents and queries for the ids that came without a text, or None where every id has one.

    Args:
        draft: with all rows entered.
        named: corpus folders that the rows name.
        folders: where to look, in this order.
        split: which files to prefer.

    Raises:
        DataError: ids are without a text and no file beside has them.
    """
    docs = [doc for _, doc, _ in draft.pairs if doc not in draft.docs]
    queries = [query for query, text in draft.queries.items() if text is None]
    corpora = [file for folder in named for file in data_files(folder)]
    return (
        _table("documents", docs, [corpora, *(texts_beside(f, "documents", split) for f in folders)], draft),
        _table("queries", queries, [texts_beside(f, "queries", split) for f in folders], draft),
    )


def _table(what: What, ids: list[str], found: list[list[Path]], draft: Draft) -> pl.DataFrame | None:
    if not ids:
        return None
    for files in found:
        if files:
            frame = read_texts(files, what, draft.hazards)
            if frame.filter(pl.col("id").is_in(ids[:1000])).height == 0:
                names = ", ".join(f.name for f in files)
                raise DataError(
                    f"none of the {what} named in the file is in {names}: it has ids like {frame['id'][0]!r}, "
                    f"the file names {ids[0]!r}; some tools write row numbers instead of ids, and such files cannot "
                    "be read without their maps"
                )
            return frame
    names = ", ".join(f"{stem}.jsonl" for stem in STEMS[what][:3])
    raise DataError(
        f"the file names {len(set(ids)):,} {what} by id only (first {ids[0]!r}) and their texts do not lie beside "
        f"it; put them there as {names} (.parquet, .csv and .tsv do too)"
    )
