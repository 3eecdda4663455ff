"""Which column says what: kinds of evidence, and their standardised values."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.outcome import column as judge_column
from foils.pairs import Pairs

# Probabilities and logits that methods made of the evidence; it would count twice.
MADE = ("detector", "tacred", "cusa", "gcse", "pu", "propensity")
# Sources whose ranks say nothing about relevance.
UNORDERED = ("random", "fill", "supplied")
# The order of the shipped coefficients.
KINDS = ("dense", "words", "positive", "positive-words", "neighbours", "specific")
BASIC = (*KINDS, "size")  # size: log of the number of candidates of the query
ASKED = ("dense", "words")  # what compares the candidate with the query alone


class Standard(NamedTuple):
    """Every evidence column of a table, standardised per query.

    Args:
        names: the columns.
        kinds: of each column; one of ``KINDS``, or ``reranker``, ``overlap``.
        z: (columns, n) float32; NaN: nothing is known.
        place: (columns, n) float32, 1 = best.
        starts: (queries + 1,) where each query's rows begin.
        among: (n,) the rows that are not known positives.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    z: NDArray[np.float32]
    place: NDArray[np.float32]
    starts: NDArray[np.int64]
    among: NDArray[np.bool_]


def kind_of(column: str, ranked: tuple[str, ...] = ()) -> str | None:
    """The kind of evidence in a column, by unit and name; null for what is none.

    Args:
        column: ``<unit>.<name>`` or ``rank.<source>``.
        ranked: names of the sources that have a score column; their ranks say nothing new.

    >>> [kind_of(c) for c in ("cos.dense", "bm25.bm25", "cos.positive", "bm25.positive", "z.neighbours-lsa")]
    ['dense', 'words', 'positive', 'positive-words', 'neighbours']
    >>> kind_of("rank.splade"), kind_of("rank.bm25-rm3"), kind_of("rrf.rrf"), kind_of("prob.tacred-extrinsic")
    ('dense', 'words', None, None)
    """
    unit, _, name = column.partition(".")
    if not name or (unit in ("prob", "logit") and _stem(name) in MADE):
        return None
    for kind in ("neighbours", "specific"):
        if name == kind or name.startswith(f"{kind}-"):
            return kind
    if unit == "rank":
        if name in ranked or name in UNORDERED:
            return None
        return "words" if name.startswith("bm25") else "dense"
    if name == "positive" or name.startswith("positive-"):
        return {"cos": "positive", "dot": "positive", "bm25": "positive-words"}.get(unit)
    known = {"cos": "dense", "dot": "dense", "bm25": "words", "logit": "reranker", "prob": "reranker"}
    return known.get(unit) or ("overlap" if unit == "jaccard" else None)


def kinds(pairs: Pairs) -> dict[str, str]:
    """Evidence columns of a table and their kinds; a source that only ranks counts by its ranks.

    What a judge said is no evidence where its verdicts are what is learned (``verdict_columns``).
    """
    scored = tuple(c.split(".", 1)[1] for c in pairs.scores)
    given = verdict_columns(pairs)
    found = {c: kind_of(c, scored) for c in pairs.frame.columns if "." in c and c not in given}
    return {c: kind for c, kind in found.items() if kind is not None}


def verdict_columns(pairs: Pairs) -> frozenset[str]:
    """Columns that hold verdicts: those of judges named in ``judged_by``, and any that agrees with one throughout.

    The second kind is a judge's column under a name of its own. A judge whose every verdict was overruled by others
    stays evidence: on the pairs that are learned from, it is not the answer.
    """
    asked = [c for c in pairs.scores if c.startswith("prob.")]
    answered = ~pl.col("positive") & pl.col("judged_by").is_not_null() & pl.col("p_relevant").is_not_null()
    said = pairs.frame.select("positive", "judged_by", "p_relevant", *asked).filter(answered)
    same = (pl.col(c).cast(pl.Float32).eq_missing(pl.col("p_relevant").cast(pl.Float32)).all() for c in asked)
    by = said.group_by(pl.col("judged_by").cast(pl.String)).agg(*same).filter(pl.col("judged_by") != "qrels")
    named = {judge_column(name) for name in by["judged_by"]}
    return frozenset(named & set(asked) | {c for c in asked if by[c].any()})


def standard(pairs: Pairs, columns: dict[str, str] | None = None) -> Standard:
    """Standardise every evidence column per query, over the rows that are not known positives.

    A document that a source did not find has no score from it, if the source cannot score it otherwise: it counts as
    the query's lowest. Other columns that are null (a reranker that read the top only) stay unknown.

    Args:
        pairs: the table.
        columns: evidence columns and their kinds; null: all that are there.
    """
    from foils.detect import loops

    chosen = kinds(pairs) if columns is None else columns
    starts = loops.starts_of(pairs.frame["query"].to_numpy())
    among = ~pairs.frame["positive"].to_numpy()
    z = np.empty((len(chosen), pairs.frame.height), dtype=np.float32)
    place = np.empty_like(z)
    for row, column in enumerate(chosen):
        values = pairs.frame[column].cast(pl.Float32)
        if column.startswith("rank."):
            values = -(values.log())
        array = values.fill_null(float("nan")).to_numpy()
        if column.split(".", 1)[1] in pairs.sources:
            array = loops.fill_lowest(starts, array)
        z[row], place[row] = loops.standardise(starts, array, among)
    return Standard(tuple(chosen), tuple(chosen.values()), z, place, starts, among)


def _stem(name: str) -> str:
    return name.split("-", 1)[0]


def by_kind(found: Standard, kind: str) -> NDArray[np.float32]:
    """Mean z of the columns of a kind, (n,); NaN where none of them knows anything."""
    rows = [i for i, k in enumerate(found.kinds) if k == kind]
    if not rows:
        return np.full(found.z.shape[1], np.nan, dtype=np.float32)
    known = ~np.isnan(found.z[rows])
    count = known.sum(axis=0)
    total = np.where(known, found.z[rows], np.float32(0)).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
