"""Documents of the positive's cluster, or of the cluster next to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.errors import RecipeError
from foils.pairs import Pairs
from foils.protocols import Engine
from foils.sources.tables import FOUND, positives, ranked, unit_rows
from foils.sources.topk import exact_topk
from foils.steps import Source, WithEncoder

Near = Literal["same", "second"]
BATCH = 1 << 16


@dataclass(frozen=True)
class Clusters(WithEncoder, Source):
    """Takes documents from the positive's k-means cluster, most like the positive first.

    Reconstruction: ClusterNS (ACL Findings 2023) uses the centroid second nearest to a sentence as its hard negative,
    and takes members of its own cluster for false negatives; ``near="second"`` gives documents of that cluster,
    ``near="same"`` the harder and riskier ones. Clusters of documents as a source of hardness: NGAME
    (arXiv:2207.04452). With several positives a document counts by the most similar. Positives are left out.

    Fails where a topic has many answers: in ``same`` the share of false negatives is high. Similarity is to the
    positive, not to the query. Clusters depend on the order of the corpus, not on that of the queries.

    Args:
        name: rank column ``rank.<name>``.
        depth: documents per query.
        encoder: vectors of the documents; cosines are taken.
        k: number of clusters; 0: sqrt(N / 2), rounded.
        near: ``same`` or ``second``.
        seed: of the k-means start.
    """

    name: str = "clusters"
    depth: int = 100
    k: int = 0
    near: Near = "same"
    seed: int = 0

    @cached_property
    def _noted(self) -> dict[str, str]:
        return {}

    def check(self) -> None:
        """An encoder is needed; k must not be negative."""
        super().check()
        if self.k < 0 or self.k == 1:
            raise RecipeError(
                f"{self.label}: k={self.k}; it must be 0 (chosen by the size of the corpus) or at least 2"
            )
        if self.near not in get_args(Near):
            raise RecipeError(f"{self.label}: near={self.near!r} is not known; one of {', '.join(get_args(Near))}")

    def facts(self) -> dict[str, str]:
        """Number and sizes of the clusters, and the encoder's facts."""
        return self._noted | super().facts()

    def find(self, pairs: Pairs, engine: Engine) -> pl.DataFrame:
        """The documents nearest to the positives within the clusters."""
        vectors = unit_rows(self.model.vectors(pairs.collection, "document", None, engine))
        k = min(self.k or max(2, round((len(vectors) / 2) ** 0.5)), len(vectors))
        labels, second = cluster(vectors, k, self.seed)
        sizes = np.bincount(labels, minlength=k)
        self._noted.update(clusters=f"{k:,}", smallest=f"{sizes.min():,}", largest=f"{sizes.max():,}")
        known = positives(pairs)
        wanted = (labels if self.near == "same" else second)[known["doc"].to_numpy()]
        members = np.split(np.argsort(labels, kind="stable"), np.cumsum(sizes)[:-1])
        # Positives of the query may stand in the way: as many more are looked up as a query has.
        extra = max(known.group_by("query").len()["len"].to_list(), default=0)
        found = [pl.DataFrame(schema={"query": pl.UInt32, "doc": pl.UInt32, "like": pl.Float32})]
        for number in np.unique(wanted).tolist():
            rows, docs = known.filter(pl.Series(wanted == number)), members[number]
            ids, like = exact_topk(vectors[rows["doc"].to_numpy()], vectors[docs], self.depth + extra)
            near = {"query": rows["query"].to_numpy().repeat(ids.shape[1]), "doc": docs[ids.ravel()]}
            found.append(pl.DataFrame(near | {"like": like.ravel()}).cast(found[0].schema))
        best = pl.concat(found).group_by("query", "doc").agg(pl.col("like").max())
        fresh = best.join(known, on=["query", "doc"], how="anti").sort(
            "query", "like", "doc", descending=[False, True, False]
        )
        return ranked(fresh, self.depth).select(*FOUND)


def cluster(vectors: NDArray[np.float32], k: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Mini-batch k-means: the nearest centroid of every row, and the second nearest.

    Args:
        vectors: (n, d) unit rows.
        k: number of clusters, at most n; with 1, the second nearest is the nearest.
        seed: of the start.
    """
    from sklearn.cluster import MiniBatchKMeans

    model = MiniBatchKMeans(k, random_state=seed, n_init=3, batch_size=max(1024, 3 * k), compute_labels=False)
    centroids = model.fit(vectors).cluster_centers_.astype(np.float32)
    half = (centroids * centroids).sum(axis=1) / 2
    nearest, second = np.empty(len(vectors), dtype=np.int64), np.empty(len(vectors), dtype=np.int64)
    for start in range(0, len(vectors), BATCH):
        close = vectors[start : start + BATCH] @ centroids.T - half
        nearest[start : start + BATCH] = first = close.argmax(axis=1)
        if k > 1:
            close[np.arange(len(close)), first] = -np.inf
        second[start : start + BATCH] = close.argmax(axis=1)
    return nearest, second
