"""BiCA: walks through the citations of a positive."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.errors import RecipeError
from foils.pairs import Pairs, hash_uniform
from foils.protocols import Engine
from foils.sources.tables import FOUND, links, positives, ranked, reach, unit_rows
from foils.steps import Source, WithEncoder


@dataclass(frozen=True)
class Walk(WithEncoder, Source):
    """Walks along links from the positive, each step to a document much like the one before (BiCA).

    BiCA (arXiv:2511.08029, algorithm 1): the pool are the documents that the query's positives link to, and those
    that these link to. From each of the ``paths`` hop-1 documents most similar to the query a walk of ``length``
    documents begins; the next one is drawn from the softmax of the cosines of the ``top`` most similar documents of
    the pool that no walk has visited; a walk that stands on a visited document ends. One more document of the pool
    is drawn uniformly. Published: 3 paths of 3 documents, top 5, no temperature; about 6.5 negatives per query.
    The rank is the order of the visits. Draws are hashes of query id, document id and seed.

    Fails where cited documents answer the query, which nothing here checks, and where documents cite little: a
    query whose positives have no links finds nothing.

    Args:
        name: rank column ``rank.<name>``.
        depth: documents per query; a walk gives at most ``paths * length + 1``.
        encoder: gives the similarities; any works, cosines are taken.
        column: column of the corpus with the ids linked to, as in ``Links``.
        paths: walks per query.
        length: documents per walk.
        top: from how many of the most similar the next document is drawn.
        seed: another seed, another walk.
    """

    name: str = "walk"
    depth: int = 100
    column: str = "links"
    paths: int = 3
    length: int = 3
    top: int = 5
    seed: int = 0

    @cached_property
    def _noted(self) -> dict[str, str]:
        return {}

    def check(self) -> None:
        """An encoder is needed; numbers must be at least 1."""
        super().check()
        for option in ("paths", "length", "top"):
            if getattr(self, option) < 1:
                raise RecipeError(f"{self.label}: {option}={getattr(self, option)}; it must be at least 1")

    def facts(self) -> dict[str, str]:
        """How many links there are, and the encoder's facts."""
        return self._noted | super().facts()

    def find(self, pairs: Pairs, engine: Engine) -> pl.DataFrame:
        """The documents visited for every query whose positives have links."""
        collection = pairs.collection
        edges, unknown = links(collection.corpus, self.column)
        self._noted.update(links=f"{edges.height:,}", links_to_unknown_ids=f"{unknown:,}")
        pools = reach(positives(pairs), edges, hops=2)
        if pools.height == 0:
            return pl.DataFrame(schema=FOUND)
        nodes, rows = pools["doc"].unique().sort(), pools["query"].unique().sort()
        vectors = unit_rows(self.model.vectors(collection, "document", nodes.to_numpy(), engine))
        asked = unit_rows(self.model.vectors(collection, "query", rows.to_numpy(), engine))
        found: list[pl.DataFrame] = []
        with engine.track(f"walk {self.name}", len(rows), "queries") as advance:
            for i, pool in enumerate(pools.partition_by("query", maintain_order=True)):
                docs, query = pool["doc"].to_numpy(), int(rows[i])
                keys = collection.doc_hash[docs]
                # In the order of the hashed ids, so that the order of the corpus does not matter.
                order = np.argsort(keys, kind="stable")
                at = nodes.search_sorted(pool["doc"]).to_numpy()[order]
                first = pool["hop"].to_numpy()[order] == 1
                draw = _Draws(collection.query_hash[query], keys[order], self.seed)
                visited = self._walk(vectors[at], vectors[at] @ asked[i], first, draw)
                found.append(pl.DataFrame({"query": query, "doc": docs[order][visited]}))
                advance(1)
        ordered = pl.concat(found).cast({"query": pl.UInt32, "doc": pl.UInt32})
        return ranked(ordered, self.depth).select(*FOUND)

    def _walk(
        self, vectors: NDArray[np.float32], to_query: NDArray[np.float32], first: NDArray[np.bool_], draw: _Draws
    ) -> list[int]:
        """Positions within the pool in the order of the visits."""
        starts = np.argsort(-np.where(first, to_query, -np.inf), kind="stable")[: min(self.paths, int(first.sum()))]
        visited: dict[int, None] = {}
        for start in starts.tolist():
            node = start
            for _ in range(self.length):
                if node in visited:
                    break
                visited[node] = None
                cosines = vectors @ vectors[node]
                cosines[list(visited)] = -np.inf
                near = np.argsort(-cosines, kind="stable")[: min(self.top, len(cosines) - len(visited))]
                if len(near) == 0:
                    break
                node = int(near[_drawn(softmax(cosines[near].astype(np.float64)), draw.at(node))])
        rest = np.setdiff1d(np.arange(len(first)), list(visited))
        if len(rest):
            visited[int(rest[int(draw.at(None) * len(rest))])] = None
        return list(visited)


@dataclass(frozen=True)
class _Draws:
    """Numbers in (0, 1) for one query, by the document stood on."""

    query: np.uint64
    docs: NDArray[np.uint64]
    seed: int

    def at(self, node: int | None) -> float:
        """The number for a document of the pool; null: for the last, uniform draw."""
        doc = np.uint64(0) if node is None else self.docs[node]
        return float(hash_uniform(np.array([self.query]), np.array([doc]), self.seed)[0])


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares exp(x) / sum exp(x).

    >>> softmax(np.array([0.0, np.log(3.0)])).round(2).tolist()
    [0.25, 0.75]
    """
    weights = np.exp(logits - logits.max())
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


def _drawn(shares: NDArray[np.float64], number: float) -> int:
    return min(int(np.searchsorted(np.cumsum(shares), number, side="right")), len(shares) - 1)
