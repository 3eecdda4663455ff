"""What the detector sees of each pair: few features for few verdicts, all of them for many."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.detect.columns import ASKED, BASIC, KINDS, Standard, by_kind, standard
from foils.detect.shipped import Shipped, shipped
from foils.pairs import Pairs


class Features(NamedTuple):
    """A row per pair.

    Args:
        matrix: (n, d) float32, finite.
        names: (d,) what each column is; the first ones are ``BASIC``.
        place: mean log place of the known positives by the columns that compare with the query alone, drawn towards
            that of the training collections as long as there are few queries.
        found: the kinds of evidence that are there, the others were inferred from them.
    """

    matrix: NDArray[np.float32]
    names: tuple[str, ...]
    place: float
    found: tuple[str, ...]


def features(pairs: Pairs, *, full: bool = False, known: Shipped | None = None) -> Features:
    """Features of every row of a table, known positives included.

    The basic ones are six mean z-scores per query by kind of evidence (``KINDS``): against the query by vectors and
    by words, against the known positive by vectors and by words, among its neighbours, and beyond the mean query;
    and the size of the query's list, as the share of relevant candidates falls with the depth of the search.
    Kinds that are missing are inferred from those that are there, by the correlations on the training collections.
    The full set adds per column its z, log rank, difference to the known positive and, where there is one, overlap
    and length. Rocchio's feedback needs no feature of its own: for vectors of length 1 its score is a weighted sum of
    the similarity to the query and to the positive, and the weights are learned here.

    Args:
        pairs: the table; columns are recognised by unit and name (``foils.detect.columns.kind_of``).
        full: all features, for many verdicts.
        known: the shipped coefficients; null: those of this package.
    """
    known = known or shipped()
    seen = standard(pairs)
    per_kind = np.stack([by_kind(seen, kind) for kind in KINDS], axis=1)
    found = tuple(kind for kind, column in zip(KINDS, per_kind.T, strict=True) if not np.isnan(column).all())
    place = _place(seen, per_kind, known)
    matrix = np.column_stack([infer(per_kind, known.correlation), _size(seen)])
    if not full:
        return Features(matrix, BASIC, place, found)
    more = {**_per_column(seen), **_texts(pairs, seen)}
    columns = [matrix, *(values[:, None] for values in more.values())]
    return Features(np.concatenate(columns, axis=1), (*BASIC, *more), place, found)


def infer(values: NDArray[np.float32], correlation: NDArray[np.float64]) -> NDArray[np.float32]:
    """Replace what is missing by its expectation given what is there, under a normal distribution of mean 0.

    Args:
        values: (n, d) NaN where missing.
        correlation: (d, d) of the columns.
    """
    absent = np.isnan(values)
    pattern = absent @ (1 << np.arange(values.shape[1]))
    filled = values.copy()
    for code in np.unique(pattern[pattern > 0]).tolist():
        rows = np.flatnonzero(pattern == code)
        gone = np.array([bool(code >> j & 1) for j in range(values.shape[1])])
        there = ~gone
        guess = np.zeros((len(rows), int(gone.sum())), dtype=np.float32)
        if there.any():
            solved = np.linalg.solve(correlation[np.ix_(there, there)], correlation[np.ix_(there, gone)])
            guess = values[np.ix_(rows, there)] @ solved.astype(np.float32)
        filled[np.ix_(rows, gone)] = guess
    return filled


def _size(seen: Standard) -> NDArray[np.float32]:
    """Log of the number of candidates of each row's query."""
    counts = np.add.reduceat(np.append(seen.among, False).astype(np.int64), seen.starts[:-1])
    return np.repeat(np.log(np.maximum(counts, 1)), np.diff(seen.starts)).astype(np.float32)


def _place(seen: Standard, per_kind: NDArray[np.float32], known: Shipped) -> float:
    """Log place of the known positives among the candidates: the more answers, the deeper one of them lies."""
    from foils.detect import loops

    asked = per_kind[:, [KINDS.index(kind) for kind in ASKED]]
    scores = np.where(np.isnan(asked).all(axis=1), np.nan, np.nan_to_num(asked).sum(axis=1)).astype(np.float32)
    _, place = loops.standardise(seen.starts, scores, seen.among)
    positives = np.log(place[~seen.among])
    queries = np.repeat(np.arange(len(seen.starts) - 1), np.diff(seen.starts))[~seen.among]
    ok = ~np.isnan(positives)
    each = np.bincount(queries[ok], weights=positives[ok]) / np.maximum(np.bincount(queries[ok]), 1)
    counted = each[np.bincount(queries[ok]) > 0] if ok.any() else np.zeros(0)
    return float((counted.sum() + known.place_queries * known.place_mean) / (len(counted) + known.place_queries))


def _per_column(seen: Standard) -> dict[str, NDArray[np.float32]]:
    """Per column: z, log place, and how far below the best known positive; 0 where nothing is known."""
    more: dict[str, NDArray[np.float32]] = {}
    groups = np.repeat(np.arange(len(seen.starts) - 1), np.diff(seen.starts))
    for name, kind, z, place in zip(seen.names, seen.kinds, seen.z, seen.place, strict=True):
        if seen.kinds.count(kind) > 1 or kind not in KINDS:
            more[f"z {name}"] = np.nan_to_num(z)
        more[f"log rank {name}"] = np.nan_to_num(-np.log(place))
        if kind in (*ASKED, "reranker"):
            best = np.full(len(seen.starts) - 1, -np.inf, dtype=np.float32)
            rows = ~seen.among & ~np.isnan(z)
            np.maximum.at(best, groups[rows], z[rows])
            below = z - best[groups]
            more[f"below positive {name}"] = np.where(np.isfinite(below), below, 0).astype(np.float32)
    return more


def _texts(pairs: Pairs, seen: Standard) -> dict[str, NDArray[np.float32]]:
    """Length of the document, as z of its logarithm, and the number of sources that found it."""
    from foils.detect import loops

    lengths = pairs.collection.passages.str.len_chars().cast(pl.Float32)
    of_rows = (lengths.gather(pairs.frame["doc"]) + 1).log().to_numpy()
    z, _ = loops.standardise(seen.starts, of_rows, seen.among)
    ranks = [f"rank.{s}" for s in pairs.sources]
    votes = pairs.frame.select(pl.sum_horizontal(pl.col(r).is_not_null().cast(pl.Float32) for r in ranks)).to_series()
    found = {"length": np.nan_to_num(z)}
    if len(ranks) > 1:
        found["share of sources"] = (votes / len(ranks)).cast(pl.Float32).to_numpy()
    return found
