"""Suspects by nearest neighbours: candidates that lie among what is known to be relevant.

A query is taken as a class, its positives as the examples of it: what "no relation" is in relation extraction, the
unlabelled candidates are here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.errors import RecipeError
from foils.outcome import said
from foils.pairs import Pairs
from foils.protocols import Engine
from foils.steps import Scope, WithEncoder

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class TacredIntrinsic(WithEncoder):
    """Marks the candidates nearest to positives that the retriever misses, in ``prob.tacred-intrinsic`` (1 or 0).

    "Intrinsic strategy" of the study of noise in TACRED (arXiv:2311.12298): take the positives that a model
    predicts as negative; their nearest neighbours among the negatives are suspects. Eliminated, they gained 4 % F1;
    relabelled, nothing: without trusted references, eliminate. Reconstruction, only the abstract could be read: a
    positive counts as missed if the source ranks it beyond ``beyond`` or not at all, and neighbours are the query's
    live candidates by cosine of the documents' vectors. Fails where the miss says that the positive is mislabelled:
    its neighbours are then as irrelevant as it is.

    Args:
        encoder: gives the vectors of the documents.
        rank: the ranks of the retriever whose misses count.
        beyond: the last rank that is no miss.
        k: suspects per missed positive.
    """

    scope: ClassVar[Scope] = "query"
    rank: str = "rank.dense"
    beyond: int = 10
    k: int = 5

    @property
    def adds(self) -> frozenset[str]:
        """The mark."""
        return frozenset({"prob.tacred-intrinsic"})

    def check(self) -> None:
        """A rank column, positive numbers."""
        super().check()
        if not self.rank.startswith("rank."):
            raise RecipeError(f"{self.label}: rank={self.rank!r} is no rank column; write rank.<source>")
        if self.k < 1 or self.beyond < 0:
            raise RecipeError(f"{self.label}: k={self.k} must be at least 1, beyond={self.beyond} at least 0")

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Look around every missed positive."""
        seen = (pl.col(self.rank) <= self.beyond).fill_null(value=False)
        table = pairs.frame.select("query", "doc", live=pairs.live, missed=pl.col("positive") & ~seen)
        live, missed = table["live"].to_numpy(), table["missed"].to_numpy()
        vectors, places = _documents(self, pairs, engine)
        marks = np.where(live, np.float32(0), np.float32(np.nan))
        for rows in _queries(table):
            candidates, centres = rows[live[rows]], rows[missed[rows]]
            if candidates.size and centres.size:
                near = vectors[places[centres]] @ vectors[places[candidates]].T
                marks[candidates[_largest(near, self.k).ravel()]] = 1.0
        return _write(pairs, "prob.tacred-intrinsic", marks)


@dataclass(frozen=True)
class TacredExtrinsic(WithEncoder):
    """Adds, as ``prob.tacred-extrinsic``, which share of a candidate's nearest known documents are its query's.

    "Extrinsic strategy" of the study of noise in TACRED (arXiv:2311.12298): a negative whose nearest clean neighbours
    have a positive label is a suspect (share over 0.5); relabelled by them it gained 4.4 % F1, eliminated 3.8 %.
    Reconstruction, only the abstract could be read, k is a guess: clean are the positives of all queries and what was
    judged of this one, neighbours go by cosine of the documents' vectors, no document judges itself, and k shrinks to
    2 P - 1 where a query has only P clean positives, so that they can have a majority. Fails with one positive per
    query: the nearest one decides alone, which is a weak judge, and relabelling on its word is not advised.

    Args:
        encoder: gives the vectors of the documents.
        k: neighbours that vote.
        most: positives of other queries that are compared with, drawn by a hash of their ids.
    """

    scope: ClassVar[Scope] = "query"
    learns: ClassVar[bool] = True
    k: int = 5
    most: int = 10_000

    @property
    def adds(self) -> frozenset[str]:
        """The share."""
        return frozenset({"prob.tacred-extrinsic"})

    def check(self) -> None:
        """Positive numbers."""
        super().check()
        if self.k < 1 or self.most < 1:
            raise RecipeError(f"{self.label}: k={self.k} and most={self.most} must be at least 1")

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Let the neighbours of every live candidate vote."""
        relevant = (pl.col("p_relevant") >= 0.5).fill_null(value=False)
        table = pairs.frame.select(
            "query",
            "doc",
            live=pairs.live,
            yes=pl.col("positive") | (said() & relevant),
            no=~pl.col("positive") & said() & ~relevant,
        )
        live, yes, no = (table[c].to_numpy() for c in ("live", "yes", "no"))
        others = self._others(pairs)
        vectors, places = _documents(self, pairs, engine)
        docs, known = table["doc"].to_numpy(), _unit(self, pairs, others, engine)
        shares = np.where(live, np.float32(0), np.float32(np.nan))
        for rows in _queries(table):
            mine, against, voters = rows[yes[rows]], rows[no[rows]], rows[live[rows]]
            if not mine.size or not voters.size:
                continue
            apart = ~np.isin(others, docs[np.concatenate([mine, against])])
            clean = np.concatenate([docs[mine], docs[against], others[apart]])
            near = (
                vectors[places[voters]]
                @ np.concatenate([vectors[places[mine]], vectors[places[against]], known[apart]]).T
            )
            near[docs[voters][:, None] == clean[None, :]] = -np.inf
            k = min(self.k, 2 * mine.size - 1, clean.size)
            shares[voters] = (_largest(near, k) < mine.size).mean(axis=1)
        return _write(pairs, "prob.tacred-extrinsic", shares)

    def _others(self, pairs: Pairs) -> NDArray[np.uint32]:
        """Documents that are positives of any query, at most ``most`` of them, the same for any part of the queries."""
        docs = pairs.collection.positives["doc"].unique().sort().to_numpy()
        drawn: NDArray[np.uint32] = docs[np.argsort(pairs.collection.doc_hash[docs], kind="stable")[: self.most]]
        return np.sort(drawn)


def _unit(step: WithEncoder, pairs: Pairs, docs: NDArray[np.uint32], engine: Engine) -> NDArray[np.float32]:
    """Vectors of documents at length 1; a vector of zeros stays."""
    vectors = step.model.vectors(pairs.collection, "document", docs, engine).astype(np.float32)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    return unit


def _documents(step: WithEncoder, pairs: Pairs, engine: Engine) -> tuple[NDArray[np.float32], Rows]:
    """Unit vectors of the documents in the table, and where each row's vector stands."""
    docs, places = np.unique(pairs.frame["doc"].to_numpy(), return_inverse=True)
    return _unit(step, pairs, docs.astype(np.uint32), engine), places.astype(np.intp)


def _queries(table: pl.DataFrame) -> list[Rows]:
    """The row numbers of each query."""
    starts = np.flatnonzero(np.diff(table["query"].to_numpy().astype(np.int64), prepend=-1))
    return [r for r in np.split(np.arange(table.height), starts[1:]) if r.size]


def _largest(near: NDArray[np.float32], k: int) -> Rows:
    """Per row the columns of the ``k`` largest values, ties by column; all where there are fewer."""
    return np.argsort(-near, axis=1, kind="stable")[:, :k]


def _write(pairs: Pairs, name: str, values: NDArray[np.float32]) -> Pairs:
    return pairs.with_column(name, pl.Series(values).fill_nan(None))
