"""Evaluation during training: queries held out of the run rank their own candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from foils.pairs import Pairs, hash_uniform
from foils.train.masks import text_groups

FEWEST = 20  # below, a held-out score says next to nothing
MOST = 500


def hold_out(pairs: Pairs, share: float, seed: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Split the queries; queries with the same text fall on the same side.

    Args:
        pairs: the table.
        share: that is held out; at most 500 queries, and none if that leaves fewer than 20.
        seed: of the draw.

    Returns:
        The queries to train on and those held out, ascending.
    """
    queries = pairs.frame.filter("positive")["query"].unique().sort().to_numpy()
    wanted = min(int(share * len(queries)), MOST)
    if wanted < FEWEST:
        return queries, queries[:0]
    groups = text_groups(pairs.collection.queries["text"])[queries]
    lots = hash_uniform(pairs.collection.query_hash[queries], np.zeros(1, dtype=np.uint64), seed)
    # A group's lot is that of its first query.
    _, first = np.unique(groups, return_index=True)
    of_group = np.full(int(groups.max()) + 1, np.nan)
    of_group[groups[first]] = lots[first]
    out = of_group[groups] <= np.sort(of_group[groups])[wanted - 1]
    return queries[~out], queries[out]


@dataclass(frozen=True, eq=False)
class Dev:
    """Held-out queries and what each of them ranks: its positives and its best candidates.

    nDCG@10 with binary gains against the known positives. It compares checkpoints of one training; with one label per
    query it cannot choose between ways of mining, as the candidates come from one of them (``foils evaluate`` can).

    Args:
        queries: texts.
        docs: texts, distinct.
        query: (m,) of each pair.
        doc: (m,) of each pair.
        relevant: (m,) known positives.
        vectors: of the documents, where they do not follow the model (ADORE).
    """

    queries: list[str]
    docs: list[str]
    query: NDArray[np.int64]
    doc: NDArray[np.int64]
    relevant: NDArray[np.bool_]
    vectors: torch.Tensor | None = None

    @staticmethod
    def of(pairs: Pairs, queries: NDArray[np.uint32], depth: int) -> Dev | None:
        """From a run; null without held-out queries.

        Args:
            pairs: the table.
            queries: rows of the held-out queries.
            depth: candidates per query beside the positives, by best rank.
        """
        if not len(queries):
            return None
        held = pl.Series(queries, dtype=pl.UInt32).implode()
        rows = pairs.frame.filter(pl.col("query").is_in(held)).with_columns(best=pairs.best_rank)
        rows = rows.sort("query", "positive", "best", descending=[False, True, False], nulls_last=True)
        place = pl.int_range(pl.len()).over("query", "positive")
        rows = rows.filter(pl.col("positive") | (place < depth))
        query, at_query = np.unique(rows["query"].to_numpy(), return_inverse=True)
        doc, at_doc = np.unique(rows["doc"].to_numpy(), return_inverse=True)
        texts = pairs.collection.queries["text"].gather(query).to_list()
        return Dev(
            texts, pairs.collection.passages.gather(doc).to_list(), at_query, at_doc, rows["positive"].to_numpy()
        )

    def __call__(self, model: Any) -> float:
        """nDCG@10 of a model."""
        learning = model.training
        model.eval()
        try:
            with torch.no_grad():
                scores = self._scores(model)
        finally:
            model.train(learning)
        return ndcg(self.query, scores, self.relevant)

    def _scores(self, model: Any) -> NDArray[np.float64]:
        quiet = {"show_progress_bar": False, "batch_size": 32}
        if hasattr(model, "predict"):
            pairs = [(self.queries[i], self.docs[j]) for i, j in zip(self.query, self.doc, strict=True)]
            found: NDArray[np.float64] = np.asarray(model.predict(pairs, **quiet), dtype=np.float64)
            return found.reshape(-1)
        queries = model.encode_query(self.queries, convert_to_tensor=True, **quiet)
        docs = self.vectors
        if docs is None:
            docs = model.encode_document(self.docs, convert_to_tensor=True, **quiet)
        table = model.similarity(queries, docs).cpu().numpy()
        return np.asarray(table[self.query, self.doc], dtype=np.float64)


def ndcg(query: NDArray[np.int64], scores: NDArray[np.float64], relevant: NDArray[np.bool_], k: int = 10) -> float:
    """Mean nDCG@k with binary gains; of equal scores the irrelevant stands first.

    Args:
        query: (m,) of each pair.
        scores: (m,).
        relevant: (m,).
        k: depth.

    Example:
        >>> one = np.zeros(3, dtype=np.int64)
        >>> round(ndcg(one, np.array([0.9, 0.8, 0.1]), np.array([False, True, False])), 4)
        0.6309
    """
    order = np.lexsort((relevant, -scores, query))
    query, relevant = query[order], relevant[order]
    starts = np.flatnonzero(np.diff(query, prepend=-1))
    place = np.arange(len(query)) - np.repeat(starts, np.diff(np.append(starts, len(query))))
    discount = np.where(place < k, 1 / np.log2(place + 2), 0.0)
    best = np.concatenate(([0.0], np.cumsum(1 / np.log2(np.arange(k) + 2))))
    gained = np.add.reduceat(np.where(relevant, discount, 0.0), starts)
    ideal = best[np.minimum(np.add.reduceat(relevant.astype(np.int64), starts), k)]
    return float(np.mean(gained[ideal > 0] / ideal[ideal > 0])) if (ideal > 0).any() else 0.0
