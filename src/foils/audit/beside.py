"""What lies beside a training file: texts of ids, and positives that a collection knows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from foils.audit.findings import Found
from foils.audit.slots import POSITIVE
from foils.audit.table import Table
from foils.collection import Collection
from foils.errors import DataError
from foils.readers.beside import texts_for
from foils.readers.draft import Draft
from foils.readers.layout import qrels_beside, texts_beside
from foils.readers.special import corpus_folders
from foils.texts import fold


def with_texts(table: Table, data: Collection | None, split: str = "train") -> tuple[Table, str]:
    """The table with the texts of documents and queries that the file names by id, and why some are not there.

    Args:
        table: the file.
        data: where to look first.
        split: which files to prefer beside the file.
    """
    lost = {
        what: part.filter(~part["known"])["text"] for what, part in (("docs", table.docs), ("queries", table.queries))
    }
    if not any(ids.len() for ids in lost.values()):
        return table, ""
    found: dict[str, pl.DataFrame | None] = {"docs": None, "queries": None}
    why = ""
    if data is not None:
        found = {"docs": data.corpus, "queries": data.queries}
    else:
        path, draft = table.source.path, Draft()
        draft.pairs = [("", doc, None) for doc in lost["docs"]]
        draft.queries = dict.fromkeys(lost["queries"])
        here = path.resolve().parent
        try:
            found["docs"], found["queries"] = texts_for(draft, corpus_folders(path), [here, here.parent], split)
        except DataError as error:
            why = str(error)
    filled = replace(table, docs=_filled(table.docs, found["docs"]), queries=_filled(table.queries, found["queries"]))
    return filled, why


def _filled(texts: pl.DataFrame, beside: pl.DataFrame | None) -> pl.DataFrame:
    if beside is None or texts["known"].all():
        return texts
    title = pl.col("title").fill_null("") if "title" in beside.columns else pl.lit("")
    there = beside.select(pl.col("id").cast(pl.String), other=pl.col("text").cast(pl.String), heading=title)
    there = there.drop_nulls("other").unique("id", keep="first")
    joined = texts.join(there, left_on="text", right_on="id", how="left", maintain_order="left")
    new = ~pl.col("known") & pl.col("other").is_not_null()
    columns = [
        pl.when(new).then("other").otherwise("text").alias("text"),
        (pl.col("known") | new).alias("known"),
    ]
    if "title" in texts.columns:
        columns.append(pl.when(new).then("heading").otherwise("title").alias("title"))
    return joined.with_columns(columns).select(texts.columns)


def collection_beside(table: Table, split: str = "train") -> Collection | None:
    """The collection around a file that brings no positives of its own (DRhard): its qrels and texts."""
    here = table.source.path.resolve().parent
    if (table.entries["side"] == POSITIVE).any() or not qrels_beside(here):
        return None
    if not all(texts_beside(here, what, split) for what in ("documents", "queries")):
        return None
    return Collection.read(here, split=split)


def labels_of(data: Collection) -> pl.DataFrame:
    """The positives of a collection: the hashes of query (``asked``) and document (``body``), in each of its forms."""
    asked = fold(data.queries["text"]).hash(seed=0)
    each = [
        data.positives.select(asked=pl.lit(asked).gather(pl.col("query")), body=pl.lit(form).gather(pl.col("doc")))
        for form in forms(data)
    ]
    return pl.concat(each).unique()


def strange(table: Table, data: Collection) -> list[Found]:
    """Documents of the file whose text is not in the collection."""
    there = pl.concat(forms(data)).unique()
    lost = pl.lit(~table.body.is_in(there.implode()) & table.docs["known"] & ~table.empty)
    entries = table.full.filter(lost.gather(pl.col("doc"))).unique("doc", keep="first", maintain_order=True)
    return [Found("not-in-data", entries["entry"].to_numpy().astype(np.int64), total=table.docs.height)]


def forms(data: Collection) -> list[pl.Series]:
    """The hashes of what a file may hold of each document: the text, and the title with the text behind it."""
    texts = data.corpus["text"]
    if "title" not in data.corpus.columns:
        return [fold(texts).hash(seed=0)]
    blank = pl.col("text").str.strip_chars() == ""
    texts = data.corpus.select(pl.when(blank).then("title").otherwise("text").fill_null("")).to_series()
    return [fold(series).hash(seed=0) for series in (texts, data.passages)]
