"""Random documents, uniform or by popularity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.errors import RecipeError
from foils.pairs import Pairs, hash_uniform
from foils.protocols import Engine
from foils.sources.tables import FOUND, positives, ranked
from foils.steps import Source, gumbel

BATCH = 1 << 22
ROUNDS = 6


@dataclass(frozen=True)
class Random(Source):
    """Draws random documents, popular ones more often if ``power`` is above 0.

    P(d) = c(d)^power / sum c^power; word2vec (arXiv:1310.4546, equation 4 and after) publishes power 0.75. Here
    c(d) = 1 + the number of queries that d is a known positive of, so that every document can be drawn. Each query
    draws without replacement and goes on until it has ``depth`` documents; where word2vec skips a draw that hits the
    target and is left with fewer, a known positive is passed over. The rank is the order of the draws. They are
    hashes of query id, document id and seed, the same for any order of rows and any part of the queries.

    Fails to teach much once a model is past its first steps: most draws are easy. Popular documents drawn under a
    softmax loss are pushed down more than others unless log P(d) is subtracted from their logits.

    Args:
        name: rank column ``rank.<name>``.
        depth: documents per query.
        power: 0 draws uniformly, 1 in proportion to popularity.
        seed: another seed, another draw.
    """

    name: str = "random"
    depth: int = 100
    power: float = 0.0
    seed: int = 0

    def check(self) -> None:
        """The power must be finite and not negative."""
        super().check()
        if not 0 <= self.power < float("inf"):
            raise RecipeError(f"{self.label}: power={self.power:g}; it must be at least 0 (0 uniform, 0.75 word2vec)")

    def find(self, pairs: Pairs, engine: Engine) -> pl.DataFrame:
        """``depth`` documents of every query, or all others if the corpus is smaller."""
        collection = pairs.collection
        counts = np.bincount(collection.positives["doc"].to_numpy(), minlength=collection.corpus.height) + 1
        # In the order of the hashed ids, so that the order of the corpus does not matter.
        by_hash = np.argsort(collection.doc_hash, kind="stable").astype(np.uint32)
        p = unigram_power(counts[by_hash].astype(np.float64), self.power)
        known, rows = positives(pairs), pairs.queries
        parts = [pl.DataFrame(schema=FOUND)]
        size = max(1, BATCH // (2 * self.depth))
        with engine.track(f"draw {self.name}", len(rows), "queries") as advance:
            for start in range(0, len(rows), size):
                part = rows[start : start + size]
                parts.append(self._draw(part, known, p, by_hash, collection.query_hash))
                advance(len(part))
        return pl.concat(parts).sort("query", "rank")

    def _draw(
        self,
        rows: NDArray[np.uint32],
        known: pl.DataFrame,
        p: NDArray[np.float64],
        by_hash: NDArray[np.uint32],
        query_hash: NDArray[np.uint64],
    ) -> pl.DataFrame:
        ends = np.cumsum(p)
        done, draws = [], self.depth + self.depth // 8 + 8
        for _ in range(ROUNDS):
            # Drawing beyond half of the corpus would mostly repeat; then all documents are put in order instead.
            if len(rows) == 0 or 2 * draws > len(p):
                break
            queries = np.repeat(rows, draws)
            times = np.tile(np.arange(draws, dtype=np.uint64), len(rows))
            numbers = hash_uniform(query_hash[queries], times, self.seed) * ends[-1]
            docs = by_hash[np.minimum(np.searchsorted(ends, numbers, side="right"), len(p) - 1)]
            drawn = pl.DataFrame({"query": queries, "doc": docs}).unique(keep="first", maintain_order=True)
            found = ranked(drawn.join(known, on=["query", "doc"], how="anti", maintain_order="left"), self.depth)
            full = found.filter(pl.col("rank") == self.depth)["query"]
            done.append(found.filter(pl.col("query").is_in(full.implode())).select(*FOUND))
            rows, draws = np.setdiff1d(rows, full.to_numpy()), 2 * draws
        done.extend(self._order(np.array([q]), known, p, by_hash, query_hash) for q in rows)
        return pl.concat(done)

    def _order(
        self,
        row: NDArray[np.uint32],
        known: pl.DataFrame,
        p: NDArray[np.float64],
        by_hash: NDArray[np.uint32],
        query_hash: NDArray[np.uint64],
    ) -> pl.DataFrame:
        """All documents by log-probability plus Gumbel noise: the same distribution, at the cost of the corpus."""
        numbers = hash_uniform(query_hash[row], np.arange(len(p), dtype=np.uint64), self.seed)
        order = np.argsort(-(np.log(p) + gumbel(numbers)), kind="stable")
        ordered = pl.DataFrame({"query": np.repeat(row, len(p)), "doc": by_hash[order]}).cast(
            {"query": pl.UInt32, "doc": pl.UInt32}
        )
        rest = ordered.join(known, on=["query", "doc"], how="anti", maintain_order="left")
        return ranked(rest, self.depth).select(*FOUND)


def unigram_power(counts: NDArray[np.float64], power: float = 0.75) -> NDArray[np.float64]:
    """Smoothed popularity P = c^power / sum c^power (word2vec, arXiv:1310.4546).

    Args:
        counts: (n,) above 0.
        power: published 0.75; 0 gives equal shares.

    >>> unigram_power(np.array([100.0, 10.0, 1.0])).round(6).tolist()
    [0.826822, 0.147032, 0.026146]
    """
    raised: NDArray[np.float64] = counts**power
    raised /= raised.sum()
    return raised
