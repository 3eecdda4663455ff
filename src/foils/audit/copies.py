"""Documents on the wrong side: positives, their copies, the query, repeats and empty texts among the negatives."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.audit.findings import Found
from foils.audit.slots import NEGATIVE, POSITIVE
from foils.audit.table import Table

LETTER = r"^[\p{Latin}\p{Cyrillic}\p{Greek}\p{N}\p{P}]$"


def copies(table: Table, known: pl.DataFrame | None = None) -> list[Found]:
    """Every exact check of which document stands where; each negative is counted once, under the first that fits.

    Args:
        table: the file.
        known: positives from elsewhere: ``asked`` and ``body`` hashes.
    """
    full = table.full
    empty = pl.lit(table.empty).gather(pl.col("doc"))
    negatives = full.filter(pl.col("side") == NEGATIVE)
    positives = full.filter(pl.col("side") == POSITIVE)
    hollow = negatives.filter(empty)
    found = [Found("empty-negative", _entries(hollow)), Found("empty-positive", _entries(positives.filter(empty)))]
    rest = negatives.filter(~empty)
    real = positives.filter(~empty)
    own, rest = _split(rest, _own(rest, real))
    same = own.join(real.select("record", "doc").unique(), on=["record", "doc"], how="semi")["entry"].implode()
    plain = own.filter(pl.col("entry").is_in(same) | pl.col("entry").is_in(_by_id(own, real).implode()))
    found += _labelled("own-positive", plain) + _labelled("copy-of-positive", own.join(plain, on="entry", how="anti"))
    for key, labels in (("sibling-positive", real), ("known-positive", known)):
        if labels is not None:
            taken, rest = _split(rest, _of_query(rest, labels))
            found += _labelled(key, taken)
    taken, rest = _split(rest, rest.filter(pl.col("body") == pl.col("asked"))["entry"])
    found.append(Found("query-as-negative", _entries(taken)))
    echo = real.filter(pl.col("body") == pl.col("asked"))
    found.append(Found("query-as-positive", _entries(echo)))
    letters = rest.filter(pl.lit(_letters(table)).gather(pl.col("doc")))
    found.append(Found("one-letter", _entries(letters)))
    found.append(Found("repeated-negative", _entries(_repeats(rest))))
    return found


def _own(negatives: pl.DataFrame, positives: pl.DataFrame) -> pl.Series:
    bodies = positives.select("record", "body").unique()
    return pl.concat([negatives.join(bodies, on=["record", "body"], how="semi")["entry"], _by_id(negatives, positives)])


def _by_id(negatives: pl.DataFrame, positives: pl.DataFrame) -> pl.Series:
    ids = positives.filter(pl.col("id") >= 0).select("record", "id").unique()
    return negatives.join(ids, on=["record", "id"], how="semi")["entry"]


def _of_query(negatives: pl.DataFrame, labels: pl.DataFrame) -> pl.Series:
    """Negatives whose query has them as a positive, by text or by id."""
    parts = []
    for column in ("body", "id"):
        if column in labels.columns:
            pairs = labels.filter(pl.col(column) >= 0) if column == "id" else labels
            pairs = pairs.select("asked", column).unique()
            parts.append(negatives.join(pairs, on=["asked", column], how="semi")["entry"])
    return pl.concat(parts)


def _repeats(negatives: pl.DataFrame) -> pl.DataFrame:
    """Negatives whose text or id stands in the row already; of labelled single documents, a row is the query's."""
    place = pl.col("entry")
    by_text = place > place.min().over("record", "body")
    by_id = (pl.col("id") >= 0) & (place > place.min().over("record", "id"))
    return negatives.filter(by_text | by_id)


def _letters(table: Table) -> pl.Series:
    """True for single characters, in a file whose documents are texts."""
    lengths = table.passages.str.len_chars()
    # Of documents that stand in an entry: a fix is planned on a table whose other documents are gone.
    used = lengths.gather(table.entries["doc"].unique())
    usual = float(used.filter(used > 1).median() or 0)  # type: ignore[arg-type]
    single = table.docs["known"] & (lengths == 1) & table.passages.str.contains(LETTER)
    return single if usual >= 10 else pl.Series(np.zeros(lengths.len(), dtype=np.bool_))


def _labelled(key: str, entries: pl.DataFrame) -> list[Found]:
    """Where every document carries a label, a document on both sides is a contradiction of two labels."""
    labels = entries["label"].is_not_null() if key != "known-positive" else pl.Series([False]).new_from_index(0, 0)
    if labels.len() != entries.height or not labels.any():
        return [Found(key, _entries(entries))]
    return [
        Found(key, _entries(entries.filter(~labels))),
        Found("conflicting-labels", _entries(entries.filter(labels))),
    ]


def _split(negatives: pl.DataFrame, entries: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame]:
    inside = pl.col("entry").is_in(entries.unique().implode())
    return negatives.filter(inside), negatives.filter(~inside)


def _entries(table: pl.DataFrame) -> NDArray[np.int64]:
    return table["entry"].to_numpy().astype(np.int64)
