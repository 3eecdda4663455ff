"""Samplers that look at the documents' vectors: negatives that differ from one another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.errors import RecipeError
from foils.pairs import Pairs
from foils.protocols import Engine
from foils.steps import Sampler, WithEncoder, settle


@dataclass(frozen=True)
class _Diverse(WithEncoder, Sampler):
    noisy: ClassVar[bool] = False
    score: str = "cos.dense"

    def log_p(self, pairs: Pairs) -> pl.Expr:
        """The score; what is chosen depends on the other choices too."""
        return pl.col(self.score)

    def pick(self, vectors: NDArray[np.float32], scores: NDArray[np.float64]) -> NDArray[np.intp]:
        """The chosen ones of m candidates: vectors (m, d) with unit rows, scores (m,)."""
        raise TypeError(f"{type(self).__name__} does not say which candidates it picks")

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Choose per query, then treat short rows by the policy."""
        unscored = pairs.frame.select(pairs.live & pl.col(self.score).is_null()).to_series()
        pairs = pairs.drop(pl.lit(unscored), "not drawn")
        if pairs.negatives().height == 0:
            return settle(pairs, self.n, self.short, self.seed)
        look = self._lookup(pairs, engine)

        def choose(rows: pl.DataFrame) -> NDArray[np.bool_]:
            keep = np.zeros(rows.height, dtype=np.bool_)
            picked = slice(None) if rows.height <= self.n else self.pick(look(rows), rows[self.score].to_numpy())
            keep[picked] = True
            return keep

        drawn = pairs.drop(~pl.lit(pl.Series(pairs.map_queries(choose))), "not drawn")
        return settle(drawn, self.n, self.short, self.seed)

    def _lookup(self, pairs: Pairs, engine: Engine) -> Callable[[pl.DataFrame], NDArray[np.float32]]:
        docs = pairs.negatives()["doc"].unique().sort().to_numpy()
        vectors = self.model.vectors(pairs.collection, "document", docs, engine)

        def look(rows: pl.DataFrame) -> NDArray[np.float32]:
            found = vectors[np.searchsorted(docs, rows["doc"].to_numpy())].astype(np.float32)
            norms = np.linalg.norm(found, axis=1, keepdims=True)
            unit: NDArray[np.float32] = np.divide(found, norms, out=np.zeros_like(found), where=norms > 0)
            return unit

        return look


@dataclass(frozen=True)
class Mmr(_Diverse):
    """Takes hard negatives that are not like one another: maximal marginal relevance.

    Carbonell and Goldstein (SIGIR 1998): next is the candidate with the largest
    balance * s(q, d) - (1 - balance) * max cos(d, d') over those taken. Fails with scores on another scale than
    cosines: ``score`` must be a ``cos.`` or ``prob.`` column.

    Args:
        n: negatives per query.
        short: policy for queries with fewer survivors.
        seed: used by the short-row policy only.
        score: hardness, a ``cos.`` or ``prob.`` column.
        encoder: gives the vectors of the documents.
        balance: 1 is ``Top``, 0 looks at variety only; usual: 0.5 to 0.7.
    """

    balance: float = 0.7

    def check(self) -> None:
        """The score must be on the scale of a cosine."""
        super().check()
        if self.score.split(".")[0] not in ("cos", "prob"):
            raise RecipeError(
                f"{self.label}: {self.score} cannot be weighed against cosines; use a cos. or prob. column"
            )
        if not 0 <= self.balance <= 1:
            raise RecipeError(f"{self.label}: balance={self.balance:g} must lie within 0 and 1")

    def pick(self, vectors: NDArray[np.float32], scores: NDArray[np.float64]) -> NDArray[np.intp]:
        """Greedily, ties by document."""
        value = self.balance * scores.astype(np.float64)
        nearest = np.full(len(scores), -1.0)
        chosen: list[int] = []
        for _ in range(self.n):
            gain = value - (1 - self.balance) * nearest
            gain[chosen] = -np.inf
            best = int(np.argmax(gain))
            chosen.append(best)
            nearest = np.maximum(nearest, (vectors @ vectors[best]).astype(np.float64))
        return np.array(chosen, dtype=np.intp)


@dataclass(frozen=True)
class KMeans(_Diverse):
    """Clusters the survivors of each query and takes the hardest of every cluster.

    As many clusters as negatives (k-means on unit vectors, seeded by spread: the next centre is the candidate
    farthest from all centres, starting with the hardest). Fails when the candidates have fewer distinct texts than
    clusters: the rest is then taken by hardness.

    Args:
        n: negatives per query, and clusters.
        short: policy for queries with fewer survivors.
        seed: used by the short-row policy only.
        score: hardness.
        encoder: gives the vectors of the documents.
        rounds: of k-means.
    """

    rounds: int = 10

    def pick(self, vectors: NDArray[np.float32], scores: NDArray[np.float64]) -> NDArray[np.intp]:
        """The hardest of each cluster, then the hardest of the rest."""
        centres = [int(np.argmax(scores))]
        nearest = vectors @ vectors[centres[0]]
        while len(centres) < self.n:
            centres.append(int(np.argmin(nearest)))
            nearest = np.maximum(nearest, vectors @ vectors[centres[-1]])
        middle = vectors[centres]
        for _ in range(self.rounds):
            owner = np.argmax(vectors @ middle.T, axis=1)
            sums = np.zeros_like(middle)
            np.add.at(sums, owner, vectors)
            norms = np.linalg.norm(sums, axis=1, keepdims=True)
            middle = np.where(norms > 0, sums / np.maximum(norms, 1e-12), middle)
        owner = np.argmax(vectors @ middle.T, axis=1)
        ranked = np.argsort(-scores, kind="stable")
        _, first = np.unique(owner[ranked], return_index=True)
        chosen = ranked[np.sort(first)]
        rest = ranked[~np.isin(ranked, chosen)]
        return np.concatenate([chosen, rest])[: self.n]
